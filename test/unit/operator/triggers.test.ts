import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createTriggers, type Trigger, watchFolder } from '../../../src/operator/triggers.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { eventually, promptly } from '../../support/eventually.ts';

/** Longer than any test takes. */
const NEVER_MS = 3_600_000;

/** Returns triggers that end with the test, and the controller that ends them earlier. */
function start(t: TestContext) {
  const controller = new AbortController();
  t.after(() => controller.abort());
  const triggers = createTriggers(controller.signal);
  const iterator = triggers[Symbol.asyncIterator]();
  const next = () => promptly(iterator.next());
  return { ...triggers, next, signal: controller.signal, stop: () => controller.abort() };
}

const came = (...reasons: readonly Trigger[]) => ({ done: false, value: reasons });
const ended = { done: true, value: undefined };

const openTimersAndWatches = (): string[] =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind.startsWith('FSEvent'));

describe('the triggers of reconciles', { timeout: 300_000 }, () => {
  test('the trigger loop yields each trigger that arrives, even if it has yielded the same trigger before', async (t) => {
    const { wake, next } = start(t);
    for (const reason of ['secret-changed', 'registration-changed', 'secret-changed'] as const) {
      const coming = next();
      wake(reason);
      assert.deepEqual(await coming, came(reason));
    }
  });

  test('the trigger loop keeps a trigger that arrives before it waits', async (t) => {
    const { wake, next } = start(t);
    wake('secret-changed');
    assert.deepEqual(await next(), came('secret-changed'));
  });

  test('the trigger loop yields the triggers that arrive during a reconcile together afterwards, in order and without duplicates', async (t) => {
    const { wake, next } = start(t);
    wake('resync');
    await next();
    for (const reason of ['secret-changed', 'resync', 'secret-changed'] as const) wake(reason);
    assert.deepEqual(await next(), came('secret-changed', 'resync'));
  });

  test('the trigger loop yields a trigger only once', async (t) => {
    const { wake, next, stop } = start(t);
    wake('secret-changed');
    await next();
    const coming = next();
    stop();
    assert.deepEqual(await coming, ended);
  });

  test('the trigger loop ends if the signal is aborted during a reconcile, and drops a pending trigger', async (t) => {
    const { wake, next, stop } = start(t);
    wake('secret-changed');
    await next();
    wake('registration-changed');
    stop();
    assert.deepEqual(await next(), ended);
  });

  test('the trigger loop yields nothing if the signal was aborted before', async () => {
    const triggers = createTriggers(AbortSignal.abort());
    triggers.wake('resync');
    assert.deepEqual(await promptly(triggers[Symbol.asyncIterator]().next()), ended);
  });
});

describe('the timer of the next resync', { timeout: 300_000 }, () => {
  test('a resync is triggered once, after the time that was set', async (t) => {
    const { resyncIn, next, stop } = start(t);
    for (let round = 0; round < 3; round += 1) {
      resyncIn(5);
      assert.deepEqual(await next(), came('resync'));
    }
    const coming = next();
    stop();
    assert.deepEqual(await coming, ended);
  });

  test('a resync is triggered at the time that was set last', async (t) => {
    const { resyncIn, next } = start(t);
    resyncIn(NEVER_MS);
    resyncIn(5);
    assert.deepEqual(await next(), came('resync'));
  });

  test('resyncIn() keeps at most one timer for the next resync, and none after the trigger loop is aborted', (t) => {
    const before = openTimersAndWatches();
    const { resyncIn, stop } = start(t);
    resyncIn(NEVER_MS);
    resyncIn(NEVER_MS);
    assert.equal(openTimersAndWatches().length, before.length + 1);
    stop();
    assert.deepEqual(openTimersAndWatches(), before);
    resyncIn(NEVER_MS);
    assert.deepEqual(openTimersAndWatches(), before);
  });
});

describe('watchFolder', { timeout: 300_000 }, () => {
  function watchIn(t: TestContext, directory: string) {
    const { wake, next, signal } = start(t);
    watchFolder(directory, () => wake('files-changed'), signal);
    return next;
  }

  test('watchFolder reports a change of a file in the folder', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old' });
    const coming = watchIn(t, directory)();
    await writeFile(join(directory, 'cert.pem'), 'new');
    assert.deepEqual(await coming, came('files-changed'));
  });

  test('watchFolder reports a file that is replaced by a rename, as the kubelet replaces the link ..data in a mounted volume', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old', next: 'new' });
    const coming = watchIn(t, directory)();
    await rename(join(directory, 'next'), join(directory, 'cert.pem'));
    assert.deepEqual(await coming, came('files-changed'));
  });

  test('watchFolder reports the deletion of the folder', async (t) => {
    const directory = await aFolder(t);
    const coming = watchIn(t, directory)();
    await rm(directory, { recursive: true });
    assert.deepEqual(await coming, came('files-changed'));
  });

  test('watchFolder reports a change if the folder does not exist, so that a reconcile reads it', async (t) => {
    const directory = join(await aFolder(t), 'missing');
    assert.deepEqual(await watchIn(t, directory)(), came('files-changed'));
  });

  test('watchFolder leaves no file system watch after an abort, or if the signal was aborted before', async (t) => {
    const before = openTimersAndWatches();
    const directory = await aFolder(t);
    const controller = new AbortController();
    watchFolder(directory, () => {}, controller.signal);
    assert.equal(openTimersAndWatches().length, before.length + 1);
    controller.abort();
    await eventually(() => assert.deepEqual(openTimersAndWatches(), before));
    watchFolder(directory, () => {}, controller.signal);
    await eventually(() => assert.deepEqual(openTimersAndWatches(), before));
  });
});
