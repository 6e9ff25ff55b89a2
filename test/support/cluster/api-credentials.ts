import type { AgentOptions, RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

/** URL and credentials of a kubeconfig, in the form of node:https. */
export interface ApiCredentials {
  readonly host: string;
  readonly port: number;
  /** The trusted certificate authority, and the client certificate of the user if there is one. */
  readonly tls: Pick<AgentOptions, 'ca' | 'cert' | 'key'>;
  /** Headers that authenticate the user, if no client certificate does. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Reads the credentials of the current context of a kubeconfig. The certificate of the API server is always verified.
 */
export async function readApiCredentials(kubeconfig: string): Promise<ApiCredentials> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error(`${kubeconfig} names no cluster`);
  const { hostname: host, port } = new URL(server);
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const { ca, cert, key, headers } = options;
  return { host, port: Number(port || 443), tls: { ca, cert, key }, headers: { ...(headers as object) } };
}
