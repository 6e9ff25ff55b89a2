import { join } from 'node:path';

/** The name of the node. The network of the node is isolated: no packet leaves the machine. */
export const NODE_NAME = 'n1';
export const NODE_IP = '10.89.0.2';
export const API_PORT = 6443;
export const SERVICE_RANGE = '10.96.0.0/24';
export const POD_RANGE = '10.244.0.0/24';

/** Paths of one node, all below `folder`. */
export interface NodeLayout {
  readonly folder: string;
  readonly apiServerCertFolder: string;
  /** Certificate of the API server in PEM. The API server creates the file when it starts. */
  readonly caFile: string;
  readonly tokenFile: string;
  readonly serviceAccountKeyFile: string;
  /** The CA that signs the serving certificate of the kubelet and the client certificates of its callers. */
  readonly kubeletCa: string;
  readonly containerdSocket: string;
  /** The audit log of the API server: each call of a service account as one line of JSON. */
  readonly auditLog: string;
  /** A Unix socket that leads to the API server, because the network of the node is isolated. */
  readonly apiSocket: string;
  readonly file: (name: string) => string;
}

export function nodeLayout(folder: string): NodeLayout {
  const file = (name: string) => join(folder, name);
  return {
    folder,
    apiServerCertFolder: file('apiserver'),
    caFile: file('apiserver/apiserver.crt'),
    tokenFile: file('tokens.csv'),
    serviceAccountKeyFile: file('service-account.key'),
    kubeletCa: file('kubelet-ca.crt'),
    containerdSocket: file('containerd.sock'),
    auditLog: file('audit.log'),
    apiSocket: file('api.sock'),
    file,
  };
}
