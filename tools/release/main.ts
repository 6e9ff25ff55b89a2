import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { installFile, packageChart } from './files.ts';
import { releaseNotes, releaseOf } from './release.ts';

/** The parts of `.github/workflows/release.yml` that a script does. The workflow calls it; RELEASE.md explains it. */

const USAGE = `node tools/release/main.ts names
  Checks tag and repository, and prints the names of the release as lines for $GITHUB_OUTPUT.

node tools/release/main.ts files --image NAME --digest sha256:…
  Writes the release notes, install.yaml and the chart, both with the digest of the image, to dist/release.
`;
const FOLDER = 'dist/release';

const { GITHUB_SERVER_URL = '', GITHUB_REPOSITORY = '', GITHUB_REF_NAME = '' } = process.env;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { image: { type: 'string' }, digest: { type: 'string' } },
});
const [command] = positionals;
const { image: name, digest } = values;

if (command === 'names') {
  const run = { tag: GITHUB_REF_NAME, repository: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}` };
  const lines = Object.entries(releaseOf(packageJson, run)).map(([key, value]) => `${key}=${value}\n`);
  process.stdout.write(lines.join(''));
} else if (command === 'files' && name !== undefined && digest !== undefined) {
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, 'notes.md'), releaseNotes(await readFile('CHANGELOG.md', 'utf8'), packageJson.version));
  await writeFile(join(FOLDER, 'install.yaml'), await installFile({ name, digest }));
  await packageChart({ name, digest }, FOLDER);
} else {
  process.stderr.write(USAGE);
  process.exitCode = 2;
}
