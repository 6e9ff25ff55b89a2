import { CustomObjectsApi } from '@kubernetes/client-node';
import type { ProcessGroup } from '../../../tools/control-plane/process-group.ts';
import type { Progress } from '../../../tools/control-plane/progress.ts';
import { applyTerraformCrds, startTerraformController } from '../../../tools/control-plane/terraform-controller.ts';
import { apiClient } from './api-client.ts';
import type { Cluster } from './cluster.ts';

/** Starts the real terraform-controller for a cluster. It runs outside of the cluster, as the daemon of a test does. */
export async function startController(
  cluster: Cluster,
  group: ProcessGroup,
  settings: { readonly progress?: Progress; readonly controllerNamespace?: string } = {},
): Promise<void> {
  const options = { version: 'terraform-controller-v0.8.0', kubeconfig: cluster.kubeconfig, ...settings } as const;
  await applyTerraformCrds(options);
  await startTerraformController(group, options);
}

/**
 * Creates a Configuration without a provider and returns its uid. terraform-controller then creates the Job
 * `<name>-apply`.
 */
export async function createConfiguration({ kubeconfig }: Cluster, namespace: string, name: string): Promise<string> {
  const kind = { group: 'terraform.core.oam.dev', version: 'v1beta2', plural: 'configurations' };
  const spec = { inlineCredentials: true, hcl: 'resource "alicloud_oss_bucket" "logs" {}' };
  const body = { apiVersion: `${kind.group}/${kind.version}`, kind: 'Configuration', metadata: { name }, spec };
  const { metadata } = await apiClient(kubeconfig, CustomObjectsApi).createNamespacedCustomObject({
    ...kind,
    namespace,
    body,
  });
  return metadata.uid;
}
