import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ensureTool } from '../../tools/control-plane/binaries.ts';
import { ensureZizmor } from '../../tools/workflows/zizmor.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { projectFile, readDocument } from '../support/docs.ts';

const run = promisify(execFile);
const FOLDER = '.github/workflows/';
const WORKFLOWS = (await readdir(projectFile(FOLDER))).map((name) => projectFile(FOLDER + name));
const noPip =
  spawnSync('python3', ['-m', 'pip', '--version']).status !== 0 &&
  'pip is not here: apt-get install python3-pip; CI has it';

describe('the GitHub workflows', () => {
  // Without these two options, actionlint would also run what it finds on the PATH of this machine.
  const actionlint = async (...files: readonly string[]) =>
    run(await ensureTool('actionlint'), ['-shellcheck=', '-pyflakes=', ...files]);
  const zizmor = async (input: string) =>
    run(await ensureZizmor(), ['--offline', '--no-progress', '--persona=auditor', '--strict-collection', input]);

  it('actionlint has no finding in the workflows, and has one in a workflow with an unknown runner', async (t) => {
    await actionlint(...WORKFLOWS);
    const wrong = (await readDocument('.github/workflows/ci.yml')).replace('ubuntu-24.04-arm]', 'ubuntu-24.05]');
    const folder = await aFolder(t, { 'ci.yml': wrong });
    await assert.rejects(actionlint(`${folder}/ci.yml`), { stdout: /label "ubuntu-24\.05" is unknown/ });
  });

  it('zizmor has no finding in the workflows and in dependabot.yml, and has one in an action by tag', {
    skip: noPip,
  }, async (t) => {
    await zizmor(projectFile('.'));
    const wrong = (await readDocument('.github/workflows/ci.yml')).replace(/checkout@[0-9a-f]{40}/, 'checkout@v7');
    await assert.rejects(zizmor(`${await aFolder(t, { 'ci.yml': wrong })}/ci.yml`), { stdout: /unpinned-uses/ });
  });
});
