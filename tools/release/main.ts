import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { installFile, packageChart } from './files.ts';
import { releaseNotes } from './release.ts';

/**
 * `node tools/release/main.ts --image NAME --digest sha256:…`: writes the files of a release to dist/release: notes.md,
 * and install.yaml and the chart, both with the digest of the image.
 */

const FOLDER = 'dist/release';

const { values } = parseArgs({ options: { image: { type: 'string' }, digest: { type: 'string' } } });
const { image: name, digest } = values;
if (name === undefined || digest === undefined) throw new Error('--image and --digest: missing');
await mkdir(FOLDER, { recursive: true });
await writeFile(join(FOLDER, 'notes.md'), releaseNotes(await readFile('CHANGELOG.md', 'utf8'), packageJson.version));
await writeFile(join(FOLDER, 'install.yaml'), await installFile({ name, digest }));
await packageChart({ name, digest }, FOLDER);
