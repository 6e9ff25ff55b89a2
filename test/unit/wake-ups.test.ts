import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { wakeUps } from '../../src/wake-ups.ts';
import { aFolder } from '../support/a-folder.ts';
import { eventually } from '../support/eventually.ts';

/** Long enough never to come during a test. */
const NEVER_MS = 3_600_000;

/** Wake-ups that end with the test, and what ends them before. */
function start(t: TestContext, { resyncMs = NEVER_MS, directory = undefined as string | undefined } = {}) {
  const controller = new AbortController();
  const reasons = wakeUps({ resyncMs, directory }, controller.signal);
  t.after(async () => {
    controller.abort();
    await reasons.return();
  });
  return { reasons, stop: () => controller.abort() };
}

const openTimersAndWatches = (): string[] =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind.startsWith('FSEvent'));

describe('wake-ups', { timeout: 10_000 }, () => {
  test('come with every resync', async (t) => {
    const { reasons } = start(t, { resyncMs: 5 });
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual(await reasons.next(), { done: false, value: ['resync'] });
    }
  });

  test('come once each', async (t) => {
    const { reasons, stop } = start(t, { resyncMs: 100 });
    await reasons.next();
    const next = reasons.next();
    stop();
    assert.deepEqual(await next, { done: true, value: undefined });
  });

  test('come when a file of the folder changes', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old' });
    const { reasons } = start(t, { directory });
    const next = reasons.next();
    await writeFile(join(directory, 'cert.pem'), 'new');
    assert.deepEqual(await next, { done: false, value: ['files-changed'] });
  });

  test('come when a file is swapped for another one, as the kubelet does', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old', next: 'new' });
    const { reasons } = start(t, { directory });
    const next = reasons.next();
    await rename(join(directory, 'next'), join(directory, 'cert.pem'));
    assert.deepEqual(await next, { done: false, value: ['files-changed'] });
  });

  test('come when the folder goes away', async (t) => {
    const directory = await aFolder(t);
    const { reasons } = start(t, { directory });
    const next = reasons.next();
    await rm(directory, { recursive: true });
    assert.deepEqual(await next, { done: false, value: ['files-changed'] });
  });

  test('that come while the last one is worked on are one', async (t) => {
    const directory = await aFolder(t, { 'cert.pem': 'old' });
    const { reasons } = start(t, { directory, resyncMs: 5 });
    await reasons.next();
    for (const content of ['1', '2', '3']) await writeFile(join(directory, 'cert.pem'), content);
    const merged = await eventually(async () => {
      const { value } = await reasons.next();
      assert.ok(value?.includes('files-changed'));
      return [...(value ?? [])];
    });
    assert.deepEqual(merged, [...new Set(merged)]);
  });

  test('end when the signal is aborted while nothing happens', async (t) => {
    const { reasons, stop } = start(t);
    const next = reasons.next();
    stop();
    assert.deepEqual(await next, { done: true, value: undefined });
  });

  test('end when the signal is aborted while one is worked on, though another one has come', async (t) => {
    const { reasons, stop } = start(t, { resyncMs: 1 });
    await reasons.next();
    const later = performance.now() + 10;
    await eventually(() => assert.ok(performance.now() > later));
    stop();
    assert.deepEqual(await reasons.next(), { done: true, value: undefined });
  });

  test('do not begin where the signal was aborted before', async () => {
    const reasons = wakeUps({ resyncMs: 1, directory: undefined }, AbortSignal.abort());
    assert.deepEqual(await reasons.next(), { done: true, value: undefined });
  });

  test('leave no timer and no watch behind', async (t) => {
    const before = openTimersAndWatches();
    const directory = await aFolder(t);
    const { reasons, stop } = start(t, { directory });
    const next = reasons.next();
    assert.equal(openTimersAndWatches().length, before.length + 2);
    stop();
    await next;
    await eventually(() => assert.deepEqual(openTimersAndWatches(), before));
  });
});
