import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { watchFolder } from '../../../src/operator/triggers.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { eventually } from '../../support/eventually.ts';

/** Returns a folder that is watched until the test ends, and the number of reported changes. */
async function start(t: TestContext) {
  const directory = await aFolder(t, { 'cert.pem': 'old' });
  const controller = new AbortController();
  t.after(() => controller.abort());
  let changes = 0;
  watchFolder(directory, () => (changes += 1), controller.signal);
  return { directory, changes: () => changes, stop: () => controller.abort() };
}

const untilLater = (ms: number) => {
  const later = performance.now() + ms;
  return eventually(() => assert.ok(performance.now() > later));
};

describe('watchFolder', () => {
  test('watchFolder reports one change if three files are copied into the folder within 200 ms', async (t) => {
    const source = await aFolder(t, { 'cert.pem': 'new', 'key.pem': 'new', 'ca.pem': 'new' });
    const { directory, changes } = await start(t);
    // In one turn of the event loop, so that a slow machine cannot make the copies take longer.
    for (const file of ['cert.pem', 'key.pem', 'ca.pem']) cpSync(join(source, file), join(directory, file));
    await eventually(() => assert.equal(changes(), 1));
    await untilLater(400);
    assert.equal(changes(), 1);
  });

  test('watchFolder reports a later change of the folder again', async (t) => {
    const { directory, changes } = await start(t);
    await writeFile(join(directory, 'cert.pem'), 'new');
    await eventually(() => assert.equal(changes(), 1));
    await writeFile(join(directory, 'cert.pem'), 'newer');
    await eventually(() => assert.equal(changes(), 2));
  });

  test('watchFolder reports one change if the folder is deleted', async (t) => {
    const { directory, changes } = await start(t);
    await rm(directory, { recursive: true });
    await eventually(() => assert.ok(changes() > 0));
  });

  test('watchFolder reports no change after an abort of the signal', async (t) => {
    const { directory, changes, stop } = await start(t);
    await writeFile(join(directory, 'cert.pem'), 'new');
    stop();
    await untilLater(400);
    assert.equal(changes(), 0);
    assert.ok(!process.getActiveResourcesInfo().includes('FSEventWrap'));
  });
});
