import { type ApiConstructor, type ApiType, KubeConfig } from '@kubernetes/client-node';

/** Returns an API client of the given type for the user of the kubeconfig. */
export function apiClient<T extends ApiType>(kubeconfig: string, kind: ApiConstructor<T>): T {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config.makeApiClient(kind);
}
