import { execFileSync } from 'node:child_process';
import packageJson from '../../package.json' with { type: 'json' };
import { releaseOf } from './release.ts';

/**
 * `node tools/release/names.ts`, in the release workflow: checks the tag, the repository and the npm package, and prints the
 * names of the release as lines for `$GITHUB_OUTPUT`. It needs no npm package.
 */
const { GITHUB_SERVER_URL = '', GITHUB_REPOSITORY = '', GITHUB_REF_NAME = '' } = process.env;
// Fails if npm does not have the package: the owner has to create it before npm accepts a version from the workflow.
const published: string[] = JSON.parse(
  execFileSync('npm', ['view', packageJson.name, 'versions', '--json'], { encoding: 'utf8' }),
);
const run = { tag: GITHUB_REF_NAME, repository: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`, published };
const lines = Object.entries(releaseOf(packageJson, run)).map(([key, value]) => `${key}=${value}\n`);
process.stdout.write(lines.join(''));
