import packageJson from '../../package.json' with { type: 'json' };
import { releaseOf } from './release.ts';

/**
 * `node tools/release/names.ts`, in the release workflow: checks the tag and the repository, and prints the names of
 * the release as lines for `$GITHUB_OUTPUT`. It needs no npm package.
 */
const { GITHUB_SERVER_URL = '', GITHUB_REPOSITORY = '', GITHUB_REF_NAME = '' } = process.env;
const run = { tag: GITHUB_REF_NAME, repository: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}` };
const lines = Object.entries(releaseOf(packageJson, run)).map(([key, value]) => `${key}=${value}\n`);
process.stdout.write(lines.join(''));
