import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cachedLabels } from '../../../src/stores/namespace-store.ts';

function start(answer: (name: string) => Promise<Record<string, string>> = async (name) => ({ name })) {
  const asked: string[] = [];
  let seconds = 0;
  const read = (name: string) => {
    asked.push(name);
    return answer(name);
  };
  const labels = cachedLabels(read, () => new Date(1_900_000_000_000 + seconds * 1_000));
  return { labels, asked, pass: (more: number) => (seconds += more) };
}

describe('the labels of a namespace', () => {
  test('are asked for once in five seconds, also by those that ask at once', async () => {
    const { labels, asked, pass } = start();
    assert.deepEqual(await Promise.all([labels('a'), labels('a'), labels('b')]), [
      { name: 'a' },
      { name: 'a' },
      { name: 'b' },
    ]);
    pass(4.9);
    await labels('a');
    assert.deepEqual(asked, ['a', 'b']);
    pass(0.1);
    await labels('a');
    assert.deepEqual(asked, ['a', 'b', 'a']);
  });

  test('are asked for again after a failure, and when the clock is set back', async () => {
    let failures = 1;
    const { labels, asked, pass } = start(async () => {
      if (failures-- > 0) throw new Error('no');
      return {};
    });
    await assert.rejects(labels('a'), /no/);
    await labels('a');
    pass(-60);
    await labels('a');
    assert.deepEqual(asked, ['a', 'a', 'a']);
  });

  test('are kept of a thousand namespaces, the latest', async () => {
    const { labels, asked } = start();
    for (let nth = 0; nth <= 1_000; nth += 1) await labels(`n${nth}`);
    await labels('n1000');
    await labels('n1');
    assert.equal(asked.length, 1_001);
    await labels('n0');
    assert.equal(asked.length, 1_002);
  });

  test('are asked for of sixteen at once; of the others as many wait as may, and one more fails', async () => {
    const answers: (() => void)[] = [];
    const { labels, asked } = start((name) => new Promise((resolve) => answers.push(() => resolve({ name }))));
    const all = Array.from({ length: 16 + 256 }, (_, nth) => labels(`n${nth}`));
    await assert.rejects(labels('one-more'), { code: 'KUBE_UNAVAILABLE', message: /one-more: 256 others are/ });
    for (let answered = 0; answered < 256; answered += 1) {
      assert.equal(asked.length, 16 + answered);
      answers[answered]?.();
      await new Promise(setImmediate);
    }
    for (const answer of answers) answer();
    assert.deepEqual((await Promise.all(all)).at(-1), { name: 'n271' });
    await new Promise(setImmediate);
    const again = labels('one-more');
    answers.at(-1)?.();
    assert.deepEqual(await again, { name: 'one-more' });
  });

  test('are none, and not asked for, where no namespace can have such a name', async () => {
    const { labels, asked } = start();
    for (const name of ['', '../..', 'A', 'a/b', 'x'.repeat(64)]) assert.deepEqual(await labels(name), {});
    assert.deepEqual(asked, []);
  });
});
