import { join } from 'node:path';
import { policyArgs } from './kubernetes-version.ts';

/** Where the components of one control plane keep what they share, all below `folder`. */
export interface Layout {
  readonly folder: string;
  /** etcd listens on a socket instead of a port: it cannot clash, and no other user of the machine can reach it. */
  readonly etcdUrl: string;
  readonly certFolder: string;
  /** Made by the API server at its start. */
  readonly caFile: string;
  readonly tokenFile: string;
  readonly serviceAccountKeyFile: string;
}

export function layoutOf(folder: string): Layout {
  const certFolder = join(folder, 'certificates');
  return {
    folder,
    etcdUrl: `unix://${join(folder, 'etcd.sock')}`,
    certFolder,
    caFile: join(certFolder, 'apiserver.crt'),
    tokenFile: join(folder, 'tokens.csv'),
    serviceAccountKeyFile: join(folder, 'service-account.key'),
  };
}

export function etcdArgs({ folder, etcdUrl }: Layout): readonly string[] {
  const peerUrl = `unix://${join(folder, 'etcd-peer.sock')}`;
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    '--unsafe-no-fsync', // nothing here has to survive a power cut
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
  /** Of kube-apiserver, e.g. `v1.30.14`. */
  readonly version: string;
  /** Come last: where a flag is given twice, kube-apiserver takes the last. */
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
    '--endpoint-reconciler-type=none', // it refuses a loopback address
    '--allow-privileged=true',
    // It rejects Pods until their service account exists, and only the controller manager makes those.
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
    '--use-service-account-credentials=true', // its own user may not create Pods; its controllers' accounts may
    '--leader-elect=false',
    '--secure-port=0', // no port: its readiness shows in what it does
  ];
}
