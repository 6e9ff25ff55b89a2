import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createTriggers, type Trigger, watchFolder } from '../../../src/operator/triggers.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { eventually, promptly } from '../../support/eventually.ts';

/** Long enough never to come during a test. */
const NEVER_MS = 3_600_000;

/** Wake-ups that end with the test, and what ends them before. */
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

describe('wake-ups', { timeout: 30_000 }, () => {
  test('come for each reason, also one that comes again', async (t) => {
    const { wake, next } = start(t);
    for (const reason of ['secret-changed', 'registration-changed', 'secret-changed'] as const) {
      const coming = next();
      wake(reason);
      assert.deepEqual(await coming, came(reason));
    }
  });

  test('that come before anybody waits are not lost', async (t) => {
    const { wake, next } = start(t);
    wake('secret-changed');
    assert.deepEqual(await next(), came('secret-changed'));
  });

  test('that come while the last ones are worked on are one, with each reason once, in the order in which they came', async (t) => {
    const { wake, next } = start(t);
    wake('resync');
    await next();
    for (const reason of ['secret-changed', 'resync', 'secret-changed'] as const) wake(reason);
    assert.deepEqual(await next(), came('secret-changed', 'resync'));
  });

  test('come once each', async (t) => {
    const { wake, next, stop } = start(t);
    wake('secret-changed');
    await next();
    const coming = next();
    stop();
    assert.deepEqual(await coming, ended);
  });

  test('end when the signal is aborted while one is worked on, though another one has come', async (t) => {
    const { wake, next, stop } = start(t);
    wake('secret-changed');
    await next();
    wake('registration-changed');
    stop();
    assert.deepEqual(await next(), ended);
  });

  test('do not begin where the signal was aborted before', async () => {
    const triggers = createTriggers(AbortSignal.abort());
    triggers.wake('resync');
    assert.deepEqual(await promptly(triggers[Symbol.asyncIterator]().next()), ended);
  });
});

describe('a resync', { timeout: 30_000 }, () => {
  test('comes when its time is over, once for each time that it is set', async (t) => {
    const { resyncIn, next, stop } = start(t);
    for (let round = 0; round < 3; round += 1) {
      resyncIn(5);
      assert.deepEqual(await next(), came('resync'));
    }
    const coming = next();
    stop();
    assert.deepEqual(await coming, ended);
  });

  test('comes at the time that was set last', async (t) => {
    const { resyncIn, next } = start(t);
    resyncIn(NEVER_MS);
    resyncIn(5);
    assert.deepEqual(await next(), came('resync'));
  });

  test('leaves no timer behind when it is set again, when the signal is aborted, and afterwards', (t) => {
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

describe('a folder that is watched', { timeout: 30_000 }, () => {
  function watchIn(t: TestContext, directory: string) {
    const { wake, next, signal } = start(t);
    watchFolder(directory, () => wake('files-changed'), signal);
    return next;
  }

  test('wakes when one of its files changes', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old' });
    const coming = watchIn(t, directory)();
    await writeFile(join(directory, 'cert.pem'), 'new');
    assert.deepEqual(await coming, came('files-changed'));
  });

  test('wakes when a file is swapped for another one, as the kubelet does', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old', next: 'new' });
    const coming = watchIn(t, directory)();
    await rename(join(directory, 'next'), join(directory, 'cert.pem'));
    assert.deepEqual(await coming, came('files-changed'));
  });

  test('wakes when it goes away', async (t) => {
    const directory = await aFolder(t);
    const coming = watchIn(t, directory)();
    await rm(directory, { recursive: true });
    assert.deepEqual(await coming, came('files-changed'));
  });

  test('wakes where it is not there at all, so that somebody looks', async (t) => {
    const directory = join(await aFolder(t), 'missing');
    assert.deepEqual(await watchIn(t, directory)(), came('files-changed'));
  });

  test('leaves no watch behind, also where the signal was aborted before', async (t) => {
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
