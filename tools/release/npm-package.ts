import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { NODE_RANGE } from '../bundle/node-versions.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The files of the npm package, by their path in this project. */
const FILES = ['dist/terraform-daemon.js', 'dist/third-party-licenses.txt', 'LICENSE', 'README.md'];

/**
 * Writes the npm package to the folder: the bundle, which has no dependencies. `npm run build` and `npm run sbom` must
 * have run.
 */
export async function writeNpmPackage(folder: string): Promise<void> {
  const { name, version, description, license, type } = packageJson;
  // npm compares this URL with the repository of the workflow that publishes the package.
  const repository = { type: 'git', url: `git+${packageJson.repository}.git` };
  const bin = { [name]: 'terraform-daemon.js' };
  await mkdir(folder, { recursive: true });
  const fields = { name, version, description, license, repository, type, engines: { node: NODE_RANGE }, bin };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(fields, null, 2)}\n`);
  for (const file of FILES) await copyFile(join(ROOT, file), join(folder, file.replace('dist/', '')));
}
