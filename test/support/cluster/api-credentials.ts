import type { AgentOptions, RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

/** Where a kubeconfig's API server is, and how its user calls it, in the terms of node:https. */
export interface ApiCredentials {
  readonly host: string;
  readonly port: number;
  /** The certificate authority to trust and, where the user has one, a client certificate. */
  readonly tls: Pick<AgentOptions, 'ca' | 'cert' | 'key'>;
  /** Those that say who the user is, where no certificate does. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads the credentials of a kubeconfig's current context. The API server's certificate is verified in any case. */
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
