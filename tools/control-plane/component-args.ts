import { join } from 'node:path';
import { policyArgs } from './kubernetes-version.ts';

/** Paths that the components of one control plane share, all below `folder`. */
export interface Layout {
  readonly folder: string;
  /** etcd listens on a Unix socket: no port can conflict, and no other user of the machine can connect. */
  readonly etcdUrl: string;
  readonly etcdFolder: string;
  readonly certFolder: string;
  /** Certificate of the API server in PEM. The API server creates the file when it starts. */
  readonly caFile: string;
  readonly tokenFile: string;
  readonly serviceAccountKeyFile: string;
}

export function layoutOf(folder: string): Layout {
  const certFolder = join(folder, 'certificates');
  return {
    folder,
    etcdUrl: `unix://${join(folder, 'etcd.sock')}`,
    etcdFolder: join(folder, 'etcd'),
    certFolder,
    caFile: join(certFolder, 'apiserver.crt'),
    tokenFile: join(folder, 'tokens.csv'),
    serviceAccountKeyFile: join(folder, 'service-account.key'),
  };
}

export function etcdArgs({ folder, etcdUrl, etcdFolder }: Layout): readonly string[] {
  const peerUrl = `unix://${join(folder, 'etcd-peer.sock')}`;
  return [
    `--data-dir=${etcdFolder}`,
    '--unsafe-no-fsync', // fsync is slow, and test data need not survive a power cut
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
  ];
}

export interface ApiServerChoices {
  readonly port: number;
  readonly hasControllerManager: boolean;
  /** The version of kube-apiserver, e.g. `v1.30.14`. */
  readonly version: string;
  /** Flags after all other flags: kube-apiserver uses the last value of a repeated flag. */
  readonly extraArgs: readonly string[];
}

export function apiServerArgs(
  { etcdUrl, certFolder, tokenFile, serviceAccountKeyFile }: Layout,
  { port, hasControllerManager, version, extraArgs }: ApiServerChoices,
): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${certFolder}`,
    `--token-auth-file=${tokenFile}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${serviceAccountKeyFile}`,
    `--service-account-signing-key-file=${serviceAccountKeyFile}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--endpoint-reconciler-type=none', // the endpoint reconciler of kube-apiserver rejects a loopback address
    '--allow-privileged=true',
    // Without kube-controller-manager no service account is created, and the admission plugin ServiceAccount would
    // reject each Pod.
    ...(hasControllerManager ? [] : ['--disable-admission-plugins=ServiceAccount']),
    ...policyArgs(version),
    ...extraArgs,
  ];
}

export function controllerManagerArgs(
  { caFile, serviceAccountKeyFile }: Layout,
  kubeconfig: string,
): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--root-ca-file=${caFile}`,
    `--service-account-private-key-file=${serviceAccountKeyFile}`,
    // The user of kube-controller-manager has no right to create Pods. The service accounts of its controllers have
    // it.
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    // kube-controller-manager serves no port: untilReady checks a ServiceAccount that its controllers create.
    '--secure-port=0',
  ];
}
