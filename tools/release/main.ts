import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { installFile, packageChart } from './files.ts';
import { writeKrewPlugin } from './krew.ts';
import { writeNpmPackage } from './npm-package.ts';
import { releaseNotes } from './release.ts';

/**
 * `node tools/release/main.ts --image NAME --digest sha256:…`, after `npm run build` and `npm run sbom`: writes the files
 * of a release to dist/release (notes.md, the SBOM, the kubectl plugin, and install.yaml and the chart with the digest of the
 * image), and the npm package to dist/npm.
 */

const FOLDER = 'dist/release';

const { values } = parseArgs({ options: { image: { type: 'string' }, digest: { type: 'string' } } });
const { image: name, digest } = values;
if (name === undefined || digest === undefined) throw new Error('--image and --digest: missing');
// The release publishes all files of the folder, also a chart of an older version.
await rm(FOLDER, { recursive: true, force: true });
await mkdir(FOLDER, { recursive: true });
await writeFile(join(FOLDER, 'notes.md'), releaseNotes(await readFile('CHANGELOG.md', 'utf8'), packageJson.version));
await writeFile(join(FOLDER, 'install.yaml'), await installFile({ name, digest }));
await packageChart({ name, digest }, FOLDER);
await copyFile('dist/sbom.cdx.json', join(FOLDER, 'sbom.cdx.json'));
await writeKrewPlugin(FOLDER);
await writeNpmPackage('dist/npm');
