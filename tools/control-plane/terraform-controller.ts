import { join } from 'node:path';
import { ensureTool, type TerraformController, toolSources } from './binaries.ts';
import type { Component } from './component.ts';
import { kubectl } from './kubectl.ts';
import type { ProcessGroup } from './process-group.ts';
import type { Progress } from './progress.ts';

export interface TerraformControllerOptions {
  readonly version: TerraformController;
  /** Kubeconfig of a cluster admin. */
  readonly kubeconfig: string;
  /** Value of `--controller-namespace`. Default: each Job runs in the namespace of its Configuration. */
  readonly controllerNamespace?: string | undefined;
  /** The images of the Jobs. Default: the images of terraform-controller. */
  readonly images?: { readonly terraform: string; readonly busybox: string };
  readonly progress?: Progress;
}

/** The kinds of terraform-controller. */
const CRDS = ['configurations.terraform.core.oam.dev', 'providers.terraform.core.oam.dev'];

/** Creates or updates the CustomResourceDefinitions of terraform-controller. Resolves when the API server serves them. */
export async function applyTerraformCrds({ version, kubeconfig }: TerraformControllerOptions): Promise<void> {
  await kubectl(kubeconfig, ['apply', '-f', join(await toolSources(version), 'chart', 'crds')]);
  await kubectl(kubeconfig, [
    'wait',
    '--timeout=2m',
    '--for=condition=Established',
    ...CRDS.map((name) => `crd/${name}`),
  ]);
  // An API server answers 429 until its cache of the kind is ready, and kubectl then repeats the list.
  await kubectl(kubeconfig, ['get', '--all-namespaces', CRDS.join(',')]);
}

/**
 * Starts terraform-controller with the defaults of its Helm chart. The chart enables the deletion of a Configuration
 * whose apply has not succeeded; the default of the program is the opposite.
 */
export async function startTerraformController(
  group: ProcessGroup,
  { version, kubeconfig, controllerNamespace, images, progress }: TerraformControllerOptions,
): Promise<Component> {
  const environment = [
    `KUBECONFIG=${kubeconfig}`,
    'TERRAFORM_BACKEND_NAMESPACE=vela-system',
    ...(images === undefined ? [] : [`TERRAFORM_IMAGE=${images.terraform}`, `BUSYBOX_IMAGE=${images.busybox}`]),
  ];
  const flags = [
    '--metrics-addr=0',
    '--feature-gates=AllowDeleteProvisioningResource=true',
    ...(controllerNamespace === undefined ? [] : [`--controller-namespace=${controllerNamespace}`]),
  ];
  return group.start(version, 'env', [...environment, await ensureTool(version, progress), ...flags]);
}
