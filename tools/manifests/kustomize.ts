import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type KubernetesObject, loadAllYaml } from '@kubernetes/client-node';
import { kubectl } from '../control-plane/kubectl.ts';

const manifests = fileURLToPath(new URL('../../manifests/', import.meta.url));

/** The path of manifests/install.yaml, the single file that users apply. */
export const INSTALL = `${manifests}install.yaml`;

const HEADER = '# Generated from manifests/base by "npm run manifests".\n';

/** The folder of an overlay of `manifests/overlays`. */
export const overlayFolder = (name: string): string => `${manifests}overlays/${name}`;

/**
 * Matches the namespace that kustomize adds to ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding, because
 * it does not know that these kinds are cluster-scoped. The API server drops this namespace, but other clients can fail
 * on it.
 */
const NAMESPACED_BY_MISTAKE =
  /^(kind: ValidatingAdmissionPolicy(?:Binding)?\nmetadata:\n(?: {2}.*\n)*?) {2}namespace: .*\n/gm;

/** Returns the rendered YAML. */
export const renderOverlay = async (name: string): Promise<string> =>
  (await kubectl('/dev/null', ['kustomize', overlayFolder(name)])).replace(NAMESPACED_BY_MISTAKE, '$1');

/** A kustomization. `resources` and `components` are folders of `manifests/`. */
export interface Kustomization {
  readonly resources: readonly string[];
  readonly components?: readonly string[];
  readonly [field: string]: unknown;
}

/** Returns the rendered YAML. */
export const renderKustomization = (kustomization: Kustomization, beside: KustomizationFiles = {}): Promise<string> =>
  inKustomization(kustomization, beside, async (folder) => {
    const yaml = await kubectl('/dev/null', ['kustomize', folder]);
    return yaml.replace(NAMESPACED_BY_MISTAKE, '$1');
  });

/**
 * Additional folders for a kustomization: the content of each file by folder name and file name. The folders are not in
 * `manifests/`.
 */
export type KustomizationFiles = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Writes the kustomization to a temporary folder, calls `use` with it and removes the folder. */
export async function inKustomization<T>(
  { resources, components, ...fields }: Kustomization,
  beside: KustomizationFiles,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'terraform-daemon-kustomize-')));
  // kustomize rejects absolute paths.
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

/** Returns the content that `manifests/install.yaml` must have. */
export const installManifest = async (): Promise<string> => HEADER + (await renderOverlay('default'));

/** Returns the objects of `manifests/install.yaml` in the order of the file. */
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

/**
 * Returns the ServiceAccount of the install with its roles and bindings, with or without the rights of the backstop, and
 * with the objects of the folders `components` of manifests/components.
 */
export async function installRights({
  backstop,
  components = [],
}: {
  readonly backstop: boolean;
  readonly components?: readonly string[];
}): Promise<readonly KubernetesObject[]> {
  const folders = components.map((name) => `components/${name}`);
  const rendered = { namespace: 'vela-system', resources: ['base'], components: folders };
  const objects: readonly KubernetesObject[] =
    folders.length === 0 ? await installObjects() : loadAllYaml(await renderKustomization(rendered));
  const isWanted = ({ kind = '', metadata }: KubernetesObject) =>
    RIGHTS.has(kind) && (backstop || !/-(backstop|configurations)$/.test(metadata?.name ?? ''));
  return objects.filter(isWanted);
}
