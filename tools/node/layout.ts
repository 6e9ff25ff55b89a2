import { join } from 'node:path';

/** The node as its Pods and components see it: a network of its own, which no packet leaves. */
export const NODE_NAME = 'n1';
export const NODE_IP = '10.89.0.2';
export const API_PORT = 6443;
export const SERVICE_RANGE = '10.96.0.0/24';
export const POD_RANGE = '10.244.0.0/24';

/** Where the parts of one node are, all below `folder`. */
export interface NodeLayout {
  readonly folder: string;
  readonly apiServerCertFolder: string;
  /** Made by the API server at its start. */
  readonly caFile: string;
  readonly tokenFile: string;
  readonly serviceAccountKeyFile: string;
  /** Signs for kubelet and for who calls it. */
  readonly kubeletCa: string;
  readonly containerdSocket: string;
  /** What service accounts have called, a line of JSON each. */
  readonly auditLog: string;
  /** The door to the API server: a socket in the file system, as networks are apart. */
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
