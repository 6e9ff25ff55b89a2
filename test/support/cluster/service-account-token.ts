import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Cluster, NAMESPACE } from './cluster.ts';

/** Returns a token of a ServiceAccount in the namespace of the daemon, bound to the Pod if one is given. */
export async function tokenOf({ core }: Cluster, name: string, pod?: string): Promise<string> {
  const bound = pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod } };
  const audiences = ['https://kubernetes.default.svc']; // the audience of the API server
  const body = { spec: { audiences, expirationSeconds: 3600, ...bound } };
  const { status } = await core.createNamespacedServiceAccountToken({ namespace: NAMESPACE, name, body });
  return status?.token ?? '';
}

/** Writes a kubeconfig with the token instead of the admin credentials and returns its path. */
export async function kubeconfigWith(token: string, { kubeconfig }: Cluster, folder: string): Promise<string> {
  const config = JSON.parse(await readFile(kubeconfig, 'utf8'));
  config.users[0].user = { token };
  const file = join(folder, `${token.slice(-8)}.kubeconfig`);
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

/** Returns the cluster with a kubeconfig of the daemon that has a token of the ServiceAccount, as a Pod has it. */
export async function withDaemonToken(cluster: Cluster): Promise<Cluster> {
  const token = await tokenOf(cluster, 'terraform-daemon');
  return { ...cluster, daemonKubeconfig: await kubeconfigWith(token, cluster, dirname(cluster.kubeconfig)) };
}
