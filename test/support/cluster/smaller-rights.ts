import { KubeConfig, KubernetesObjectApi } from '@kubernetes/client-node';
import { chartObjects } from '../../../tools/chart/helm.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { withDaemonToken } from './service-account-token.ts';

/**
 * Starts a cluster for a daemon with the smallest rights of docs/how-to/fit-a-cluster.md: the component limit-patches is
 * in force, and the kubeconfig has a token of the ServiceAccount. The daemon has rights on Jobs, Pods and Events only in
 * the namespaces of `grantBackstop`, or with `backstopRbac` in all namespaces.
 */
export const startWithSmallerRights = async ({ backstopRbac = false } = {}): Promise<Cluster> =>
  withDaemonToken(await startCluster({ backstopRbac, components: ['limit-patches'] }));

/** Whether the tests of the backstop use `--backstop-namespaces` and Roles instead of the ClusterRole: `SMALLER_RIGHTS=1`. */
export const isNamespaced = process.env.SMALLER_RIGHTS === '1';

/** Creates the Roles and RoleBindings with which the chart gives the backstop its rights in existing namespaces. */
export async function grantBackstop(
  { kubeconfig }: Cluster,
  namespaces: readonly string[],
  policy: object = {},
): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const values = { policy, options: { 'backstop-namespaces': namespaces.join() } };
  for (const object of await chartObjects({ values })) {
    if (/^Role/.test(object.kind ?? '') && object.metadata?.name === 'terraform-daemon-backstop')
      await objects.create(object);
  }
}
