import packageJson from '../../package.json' with { type: 'json' };
import { fileUrl } from '../docs/file-url.ts';
import { markdownTable } from '../docs/markdown-table.ts';

const { version, description } = packageJson;

/**
 * Returns README.md of the addon, which KubeVela shows. Its links are URLs, because KubeVela has no other file.
 *
 * @param parameters the text of parameter.cue.
 */
export const addonReadme = (parameters: string): string => `# terraform-daemon

<!-- Generated from parameter.cue and tools/addon/readme.ts by \`npm run manifests\`. -->

${description}

From a checkout of the repository, with the image in a registry that the nodes can reach:

\`\`\`text
vela addon enable ./addon/terraform-daemon image=registry.example.com/terraform-daemon:${version}
kubectl -n vela-system rollout status deployment/terraform-daemon
\`\`\`

It has no dependency on the addon \`terraform\`: enable the two in any order. [Install as a KubeVela
addon](${fileUrl('docs/how-to/install-with-kubevela.md')}) says why, and has the upgrade and the removal.
[Threat model](${fileUrl('docs/explanation/threat-model.md')}) says what the rights of the addon permit.

## Parameters

${markdownTable(['parameter', 'default', 'meaning'], rows(parameters))}
`;

/** Returns a row for each parameter: a field with a default, below its text for the user. */
const rows = (parameters: string): readonly (readonly string[])[] =>
  [...parameters.matchAll(/\/\/ \+usage=(.*)\n\s*(\w+): *\*(.*?) \|/g)].map(([, usage = '', field, value]) => [
    `\`${field}\``,
    `\`${value}\``,
    usage,
  ]);
