import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { fileUrl } from '../docs/file-url.ts';

/** From the oldest version with stable matchConditions. The suffix -0 also admits versions such as v1.30.4-gke.100. */
export const KUBERNETES_VERSIONS = '>=1.30.0-0';

const ICON = new URL('icon.svg', import.meta.url);
const HEADER = '# Generated from package.json and tools/chart/metadata.ts by "npm run manifests".\n';

/** Returns the icon as a data URL, so that it does not depend on the host of the repository. */
export const iconUrl = async (): Promise<string> =>
  `data:image/svg+xml;base64,${(await readFile(ICON)).toString('base64')}`;

/** Returns Chart.yaml. */
export async function chartYaml(): Promise<string> {
  const { version, description, repository, license } = packageJson;
  const links = [
    { name: 'Install with Helm', url: fileUrl('docs/how-to/install-with-helm.md') },
    { name: 'Changelog', url: fileUrl('CHANGELOG.md') },
    { name: 'Security policy', url: fileUrl('SECURITY.md') },
  ];
  const fields = {
    apiVersion: 'v2',
    name: 'terraform-daemon',
    description,
    type: 'application',
    version,
    appVersion: version,
    kubeVersion: KUBERNETES_VERSIONS,
    home: repository,
    sources: [repository],
    icon: await iconUrl(),
    keywords: ['kubevela', 'terraform', 'admission-webhook'],
    // https://artifacthub.io/docs/topics/annotations/helm/
    annotations: {
      'artifacthub.io/category': 'integration-delivery',
      'artifacthub.io/license': license,
      'artifacthub.io/links': stringify(links),
    },
  };
  return HEADER + stringify(fields, { lineWidth: 0 });
}
