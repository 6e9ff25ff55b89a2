import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createWorkQueue } from '../../../src/lib/work-queue.ts';
import { eventually, promptly } from '../../support/eventually.ts';

describe('a work queue', () => {
  const never = new AbortController().signal;

  test('takes no more than may wait, and is idle at first and in the end', async () => {
    const queue = createWorkQueue({ concurrency: 1, most: 2 }, never);
    await promptly(queue.idle());
    const { promise, resolve } = Promise.withResolvers<void>();
    let done = 0;
    const task = async () => {
      await promise;
      done += 1;
    };
    assert.deepEqual(
      [1, 2, 3, 4].map(() => queue.add('', task)),
      [true, true, true, false],
    );
    resolve();
    await promptly(queue.idle());
    assert.equal(done, 3);
  });

  test('lets lanes take turns, so that one that hangs does not hold up the others', async () => {
    const queue = createWorkQueue({ concurrency: 2, most: 100 }, never);
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const hang = (name: string) => async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.push(resolve));
    };
    for (const name of ['a1', 'a2', 'a3', 'a4']) queue.add('a', hang(name));
    for (const name of ['b1', 'b2']) queue.add('b', async () => void begun.push(name));
    queue.add('c', async () => void begun.push('c1'));
    for (const _end of ['a1', 'a2']) ends.shift()?.();
    await eventually(() => assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4']));
    for (let end = ends.shift(); end; end = ends.shift()) end();
    await promptly(queue.idle());
    assert.deepEqual(begun.slice(-1), ['b2']);
  });

  test('begins nothing after the signal, and is idle when what runs has ended', async () => {
    const stop = new AbortController();
    const queue = createWorkQueue({ concurrency: 1, most: 10 }, stop.signal);
    const { promise, resolve } = Promise.withResolvers<void>();
    let begun = 0;
    const task = () => {
      begun += 1;
      return promise;
    };
    queue.add('', task);
    queue.add('', task);
    stop.abort();
    assert.equal(queue.add('', task), false);
    resolve();
    await promptly(queue.idle());
    assert.equal(begun, 1);
  });
});
