import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { NODE_RANGE } from '../bundle/node-versions.ts';
import { fileUrl } from '../docs/file-url.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The files of the npm package, by their path in this project. */
const FILES = ['dist/terraform-daemon.js', 'dist/third-party-licenses.txt', 'LICENSE'];

/**
 * Writes the npm package to the folder: the bundle, which has no dependencies. `npm run build` and `npm run sbom` must
 * have run.
 */
export async function writeNpmPackage(folder: string): Promise<void> {
  const { name, version, description, license, type } = packageJson;
  // npm compares this URL with the repository of the workflow that publishes the package.
  const repository = { type: 'git', url: `git+${packageJson.repository}.git` };
  const bin = { 'terraform-daemon': 'terraform-daemon.js' };
  await mkdir(folder, { recursive: true });
  const fields = { name, version, description, license, repository, type, engines: { node: NODE_RANGE }, bin };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(fields, null, 2)}\n`);
  await writeFile(join(folder, 'README.md'), readme());
  for (const file of FILES) await copyFile(join(ROOT, file), join(folder, file.replace('dist/', '')));
}

/** Returns README.md of the package, which npm shows. Its links are URLs, because npm has no other file. */
const readme = (): string => `# terraform-daemon

${packageJson.description}

The package has the commands for a laptop. The daemon itself runs in the cluster from its image.

\`\`\`sh
npx ${packageJson.name} check        # proves that Jobs are capped
npx ${packageJson.name} applies -A   # lists the failed applies
npx ${packageJson.name} inspect      # prints the certificates, and what the API server trusts
npx ${packageJson.name} --help
\`\`\`

The commands use your kubeconfig. [Use the commands from a laptop](${fileUrl('docs/how-to/use-from-a-laptop.md')}) has the rights and the
limits. [Install the daemon](${fileUrl('docs/how-to/install.md')}). [Report a vulnerability](${fileUrl('SECURITY.md')}).
`;
