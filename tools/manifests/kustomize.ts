import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type KubernetesObject, loadAllYaml } from '@kubernetes/client-node';
import { kubectl } from '../control-plane/kubectl.ts';

const manifests = fileURLToPath(new URL('../../manifests/', import.meta.url));

/** The path of the single file that users apply. */
export const INSTALL = `${manifests}install.yaml`;

const HEADER = '# Made from manifests/base by "npm run manifests": change it there.\n';

/** The folder of an overlay of `manifests/overlays`. */
export const overlayFolder = (name: string): string => `${manifests}overlays/${name}`;

/** kustomize gives a namespace to what it does not know. kubectl passes over it, but others need not. */
const NAMESPACED_BY_MISTAKE =
  /^(kind: ValidatingAdmissionPolicy(?:Binding)?\nmetadata:\n(?: {2}.*\n)*?) {2}namespace: .*\n/gm;

/** What it comes to, as YAML. */
export const renderOverlay = async (name: string): Promise<string> =>
  (await kubectl('/dev/null', ['kustomize', overlayFolder(name)])).replace(NAMESPACED_BY_MISTAKE, '$1');

/** A kustomization. `resources` and `components` are folders of `manifests/`. */
export interface Kustomization {
  readonly resources: readonly string[];
  readonly components?: readonly string[];
  readonly [field: string]: unknown;
}

/** What it comes to, as YAML. */
export const renderKustomization = (kustomization: Kustomization, beside: KustomizationFiles = {}): Promise<string> =>
  inKustomization(kustomization, beside, async (folder) => {
    const yaml = await kubectl('/dev/null', ['kustomize', folder]);
    return yaml.replace(NAMESPACED_BY_MISTAKE, '$1');
  });

/** Folders beside a kustomization, which then are no folders of `manifests/`: their files by name. */
export type KustomizationFiles = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Has the kustomization in a folder for as long as `use` takes. */
export async function inKustomization<T>(
  { resources, components, ...fields }: Kustomization,
  beside: KustomizationFiles,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'terraform-daemon-kustomize-')));
  // kustomize takes no absolute path.
  const fromThere = (names: readonly string[] = []) =>
    names.map((name) => (name in beside ? name : relative(folder, manifests + name)));
  try {
    const content = { ...fields, resources: fromThere(resources), components: fromThere(components) };
    await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(content));
    for (const [name, files] of Object.entries(beside)) {
      await mkdir(join(folder, name));
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, name, file), text);
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What `manifests/install.yaml` should be. */
export const installManifest = async (): Promise<string> => HEADER + (await renderOverlay('default'));

/** The objects of `manifests/install.yaml`, in their order. */
export const installObjects = async (): Promise<readonly KubernetesObject[]> =>
  loadAllYaml(await readFile(INSTALL, 'utf8')) as KubernetesObject[];

const RIGHTS = new Set([
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'ClusterRole',
  'ClusterRoleBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);

/** The ServiceAccount of the install and what it may do, with or without what the backstop needs. */
export async function installRights({
  backstop,
}: {
  readonly backstop: boolean;
}): Promise<readonly KubernetesObject[]> {
  const objects = await installObjects();
  const isWanted = ({ kind = '', metadata }: KubernetesObject) =>
    RIGHTS.has(kind) && (backstop || !metadata?.name?.endsWith('-backstop'));
  return objects.filter(isWanted);
}
