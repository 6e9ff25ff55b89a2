import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { NODE_RANGE } from '../bundle/node-versions.ts';
import { fileUrl } from '../docs/file-url.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The files of the npm package, by their path in this project. */
const FILES = ['dist/terraform-daemon.js', 'dist/third-party-licenses.txt', 'LICENSE'];

/**
 * Writes the npm package to the folder, and removes what was there: the bundle, which has no dependencies. `npm run build` and
 * `npm run sbom` must have run.
 *
 * @throws Error if the bundle is one of another version.
 */
export async function writeNpmPackage(folder: string, version = packageJson.version): Promise<void> {
  const { name, description, license, type } = packageJson;
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'dist/terraform-daemon.js'), '--version']);
  const built = stdout.trim();
  if (built !== version) {
    throw new Error(`dist/terraform-daemon.js --version: found ${built}: must be ${version}. Run npm run build.`);
  }
  // npm compares this URL with the repository of the workflow that publishes the package.
  const repository = { type: 'git', url: `git+${packageJson.repository}.git` };
  const bin = { 'terraform-daemon': 'terraform-daemon.js' };
  // npm publishes all files of the folder.
  await rm(folder, { recursive: true, force: true });
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
