import { join } from 'node:path';
import { moduleFolder } from '../control-plane/go-build.ts';
import { readGoModule } from '../control-plane/go-module.ts';
import { kubectl } from '../control-plane/kubectl.ts';

/** For each Go module, the file of a kind that the examples use. */
const CRDS: Readonly<Record<string, string>> = {
  'github.com/fluxcd/kustomize-controller': 'kustomize.toolkit.fluxcd.io_kustomizations.yaml',
  'github.com/fluxcd/source-controller': 'source.toolkit.fluxcd.io_gitrepositories.yaml',
};

/** Creates the kinds Kustomization and GitRepository of Flux. Resolves when the API server serves them. */
export async function applyFluxCrds(kubeconfig: string): Promise<void> {
  for (const [path, name] of Object.entries(CRDS)) {
    const folder = await moduleFolder(await readGoModule(import.meta.dirname, path), path);
    const file = join(folder, 'config', 'crd', 'bases', name);
    await kubectl(kubeconfig, ['apply', '--server-side', '-f', file]);
    await kubectl(kubeconfig, ['wait', '--timeout=2m', '--for=condition=Established', '-f', file]);
  }
}
