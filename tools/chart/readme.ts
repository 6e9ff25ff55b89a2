import packageJson from '../../package.json' with { type: 'json' };
import { fileUrl, releaseUrl } from '../docs/file-url.ts';
import { valuesSection } from './values-table.ts';

/** Returns README.md of the chart, which registries of charts show. Its links are URLs, because a registry has no other file. */
export const chartReadme = (): string => `# terraform-daemon

<!-- Generated from tools/chart/values.ts by \`npm run manifests\`. -->

${packageJson.description}

From a release:

\`\`\`text
helm install terraform-daemon ${releaseUrl(`terraform-daemon-${packageJson.version}.tgz`)} \\
  --namespace vela-system --create-namespace --wait
helm test terraform-daemon --namespace vela-system
\`\`\`

[Install with Helm](${fileUrl('docs/how-to/install-with-helm.md')}) has the upgrade, the variants and the uninstall.
[Threat model](${fileUrl('docs/explanation/threat-model.md')}) says what the rights of the chart permit.

From a checkout, the chart is \`manifests/helm\`. It names the image \`terraform-daemon:${packageJson.version}\`, which no registry has: load it on the
nodes, or set \`image.repository\`.

## Values

The chart of a release has the published image as the default of \`image\`. The table has the defaults of the repository.

${valuesSection()}
`;
