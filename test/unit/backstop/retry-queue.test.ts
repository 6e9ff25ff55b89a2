import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { createRetryQueue, type RetryQueueOptions } from '../../../src/backstop/retry-queue.ts';
import { settled } from '../../support/builders/a-backstop.ts';
import { eventually, promptly } from '../../support/eventually.ts';

describe('a retry queue', () => {
  const never = new AbortController().signal;

  /**
   * Returns a retry queue that never finishes an item by itself: each call of `end` finishes the oldest item in
   * processing.
   */
  function aQueue(options: Partial<RetryQueueOptions<string>> = {}, signal = never) {
    const begun: string[] = [];
    const dropped: string[] = [];
    const ends: ((afterMs?: number) => void)[] = [];
    const run = (item: string, tries: number) => {
      begun.push(tries === 0 ? item : `${item}, again`);
      return new Promise<number | undefined>((resolve) => ends.push(resolve));
    };
    const onOverflow = (item: string) => dropped.push(item);
    const queue = createRetryQueue({ concurrency: 1, most: 2, run, onOverflow, ...options }, signal);
    const end = async (afterMs?: number) => {
      ends.shift()?.(afterMs);
      await settled();
    };
    return { queue, begun, dropped, end };
  }
  const mockTimers = (t: TestContext) => t.mock.timers.enable({ apis: ['setTimeout'] });

  test('the retry queue drops an item if too many wait for processing, and is idle when empty', async () => {
    const { queue, begun, dropped, end } = aQueue();
    await promptly(queue.idle());
    for (const item of ['1', '2', '3', '4']) queue.add(item, '', item);
    const idle = queue.idle();
    for (const _item of begun) await end();
    await promptly(idle);
    await promptly(queue.idle());
    assert.deepEqual([begun, dropped], [['1', '2', '3'], ['4']]);
  });

  test('the retry queue serves its lanes round-robin, so that a hanging lane does not delay the others', async () => {
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const run = async (item: string) => {
      begun.push(item);
      if (item.startsWith('a')) await new Promise<void>((resolve) => ends.push(resolve));
      return undefined;
    };
    const { queue } = aQueue({ concurrency: 2, most: 100, run });
    for (const item of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) queue.add(item, item.slice(0, 1), item);
    for (const _end of ['a1', 'a2']) ends.shift()?.();
    await eventually(() => assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4']));
    for (let end = ends.shift(); end; end = ends.shift()) end();
    await promptly(queue.idle());
    assert.deepEqual(begun.slice(-1), ['b2']);
  });

  test('the retry queue retries an item after its pause, and is idle during the pause', async (t) => {
    mockTimers(t);
    const { queue, begun, end } = aQueue();
    queue.add('key', '', 'item');
    await end(1_000);
    await promptly(queue.idle());
    assert.equal(queue.get('key'), 'item');
    t.mock.timers.tick(999);
    assert.deepEqual(begun, ['item']);
    t.mock.timers.tick(1);
    assert.deepEqual(begun, ['item', 'item, again']);
    await end();
    assert.equal(queue.get('key'), undefined);
  });

  test('the retry queue drops an item if too many wait for their next try', async (t) => {
    mockTimers(t);
    const { queue, begun, dropped, end } = aQueue({ most: 3 });
    for (const item of ['1', '2', '3', '4']) queue.add(item, '', item);
    for (const _item of ['1', '2', '3', '4']) await end(1_000);
    assert.deepEqual([begun, dropped], [['1', '2', '3', '4'], ['4']]);
  });

  test('the retry queue processes only the latest item of a key', async (t) => {
    mockTimers(t);
    const { queue, begun, end } = aQueue({ most: 10 });
    queue.add('running', '', 'running 1');
    queue.add('waiting', '', 'waiting 1');
    queue.add('running', '', 'running 2');
    queue.add('waiting', '', 'waiting 2');
    await end(1_000);
    await end(1_000);
    queue.add('running', '', 'running 4');
    await end();
    await end();
    t.mock.timers.tick(1_000);
    assert.deepEqual(begun, ['running 1', 'running 2', 'waiting 2', 'running 4']);
  });

  test('the retry queue does not process a removed item', async (t) => {
    mockTimers(t);
    const { queue, begun, end } = aQueue({ most: 10 });
    for (const item of ['1', '2', '3']) queue.add(item, '', item);
    queue.remove('1');
    queue.remove('2');
    await end(1_000);
    await end(1_000);
    queue.remove('3');
    t.mock.timers.tick(1_000);
    assert.deepEqual(begun, ['1', '3']);
  });

  test('after an abort the retry queue starts no item, and is idle when the running items have ended', async (t) => {
    mockTimers(t);
    const stop = new AbortController();
    const { queue, begun, dropped, end } = aQueue({ concurrency: 2 }, stop.signal);
    for (const item of ['1', '2', '3']) queue.add(item, '', item);
    await end(1_000);
    stop.abort();
    queue.add('4', '', '4');
    const idle = queue.idle();
    await end();
    await end();
    await promptly(idle);
    t.mock.timers.tick(1_000);
    assert.deepEqual([begun, dropped], [['1', '2', '3'], []]);
  });
});
