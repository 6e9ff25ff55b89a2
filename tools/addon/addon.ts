import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { KubernetesObject, V1Deployment } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { objectsIn } from '../chart/helm.ts';
import { iconUrl, KUBERNETES_VERSIONS } from '../chart/metadata.ts';
import { INSTALL } from '../manifests/kustomize.ts';
import { addonReadme } from './readme.ts';

/** The folder of the KubeVela addon. */
export const ADDON = fileURLToPath(new URL('../../addon/terraform-daemon/', import.meta.url));

/** Returns the generated files of the addon by their path in the addon. The other two, template.cue and parameter.cue, are written by hand. */
export async function addonFiles(): Promise<Readonly<Record<string, string>>> {
  return {
    'README.md': addonReadme(await readFile(`${ADDON}parameter.cue`, 'utf8')),
    'metadata.yaml': await metadata(),
    'resources/objects.cue': objectsCue(objectsIn(await readFile(INSTALL, 'utf8'))),
  };
}

async function metadata(): Promise<string> {
  const { version, description, repository } = packageJson;
  const fields = {
    name: 'terraform-daemon',
    version,
    description,
    icon: await iconUrl(),
    url: repository,
    tags: ['Terraform', 'IaC'],
    // KubeVela 1.9 has the oldest CUE with which the addon was rendered.
    system: { vela: '>=1.9.0', kubernetes: KUBERNETES_VERSIONS },
  };
  const header = '# Generated from package.json and tools/addon/addon.ts by "npm run manifests".\n';
  return header + stringify(fields, { lineWidth: 0 });
}

/** Returns the objects as CUE: the Deployment without the fields that template.cue sets from parameters, and all others. */
function objectsCue(objects: readonly KubernetesObject[]): string {
  const deployment = structuredClone(objects.find(({ kind }) => kind === 'Deployment')) as V1Deployment;
  const others = objects.filter(({ kind }) => kind !== 'Deployment');
  delete deployment.spec?.replicas;
  delete deployment.spec?.template.spec?.containers[0]?.image;
  const header = '// Generated from manifests/install.yaml by "npm run manifests".\npackage main\n';
  // JSON is CUE.
  return `${header}\ndeployment: ${JSON.stringify(deployment, null, 2)}\n\nothers: ${JSON.stringify(others, null, 2)}\n`;
}
