import packageJson from '../../package.json' with { type: 'json' };
import { valuesSection } from './values-table.ts';

/** Returns the URL of a file of the repository at the tag of this version. */
export const fileUrl = (file: string): string => `${packageJson.repository}/blob/v${packageJson.version}/${file}`;

/** Returns README.md of the chart, which registries of charts show. Its links are URLs, because a registry has no other file. */
export const chartReadme = (): string => `# terraform-daemon

<!-- Generated from tools/chart/values.ts by \`npm run manifests\`. -->

${packageJson.description}

From a checkout of the repository:

\`\`\`text
helm install terraform-daemon manifests/helm --namespace vela-system --wait
helm test terraform-daemon --namespace vela-system
\`\`\`

[Install with Helm](${fileUrl('docs/how-to/install-with-helm.md')}) has the upgrade, the variants and the uninstall.
[Threat model](${fileUrl('docs/explanation/threat-model.md')}) says what the rights of the chart permit.

## Values

The chart of a release has the published image as the default of \`image\`. The table has the defaults of the repository.

${valuesSection()}
`;
