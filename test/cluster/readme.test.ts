import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readReadme, shellCommands } from '../support/readme.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** By this one these tests are run: to run it from here would never end. CI runs it on a clean checkout. */
const OWN_COMMAND = 'npm ci && npm test';

/** As a user has it: npm, which runs these tests, puts the Node.js 24 of `npm ci` before the one of the machine. */
const pathOfUser = (): string =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !/node_modules|node-gyp-bin/.test(folder))
    .join(delimiter);

describe('the commands of the README, in a clean checkout', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-readme-'));
    const { stdout } = await run('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root });
    for (const file of stdout.trim().split('\n')) {
      await mkdir(join(folder, dirname(file)), { recursive: true });
      await cp(join(root, file), join(folder, file));
    }
  });
  after(() => rm(folder, { recursive: true }));

  it('all end with 0', async (t) => {
    const commands = shellCommands(await readReadme()).filter((command) => command !== OWN_COMMAND);
    assert.ok(commands.length >= 3);
    const env = { ...process.env, PATH: pathOfUser(), NO_COLOR: '1' };
    for (const command of commands) {
      const start = performance.now();
      await assert.doesNotReject(run('bash', ['-c', command], { cwd: folder, env }), command);
      t.diagnostic(`${command}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  });
});
