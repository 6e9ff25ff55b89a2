import assert from 'node:assert/strict';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { watchFolder } from '../../../src/operator/triggers.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { eventually } from '../../support/eventually.ts';

/** A folder that is watched until the test ends, and what was told of it. */
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

describe('a watched folder', () => {
  test('has changed once when three files are copied into it one after the other', async (t) => {
    const source = await aFolder(t, { 'cert.pem': 'new', 'key.pem': 'new', 'ca.pem': 'new' });
    const { directory, changes } = await start(t);
    for (const file of ['cert.pem', 'key.pem', 'ca.pem']) await cp(join(source, file), join(directory, file));
    await eventually(() => assert.equal(changes(), 1));
    await untilLater(400);
    assert.equal(changes(), 1);
  });

  test('has changed again when it changes later', async (t) => {
    const { directory, changes } = await start(t);
    await writeFile(join(directory, 'cert.pem'), 'new');
    await eventually(() => assert.equal(changes(), 1));
    await writeFile(join(directory, 'cert.pem'), 'newer');
    await eventually(() => assert.equal(changes(), 2));
  });

  test('has changed when it goes away', async (t) => {
    const { directory, changes } = await start(t);
    await rm(directory, { recursive: true });
    await eventually(() => assert.ok(changes() > 0));
  });

  test('tells nothing more once it is not watched any more', async (t) => {
    const { directory, changes, stop } = await start(t);
    await writeFile(join(directory, 'cert.pem'), 'new');
    stop();
    await untilLater(400);
    assert.equal(changes(), 0);
    assert.ok(!process.getActiveResourcesInfo().includes('FSEventWrap'));
  });
});
