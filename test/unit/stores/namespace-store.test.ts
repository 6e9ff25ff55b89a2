import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cachedLabels, readNamespacePhase } from '../../../src/stores/namespace-store.ts';

function start(answer: (name: string) => Promise<Record<string, string>> = async (name) => ({ name })) {
  const asked: string[] = [];
  let seconds = 0;
  const read = (name: string) => {
    asked.push(name);
    return answer(name);
  };
  const labels = cachedLabels(read, () => seconds * 1_000);
  return { labels, asked, pass: (more: number) => (seconds += more) };
}

describe('the labels of a namespace', () => {
  test('the namespace store reads the labels of a namespace once in five seconds, even for concurrent calls', async () => {
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

  test('the namespace store reads the labels of a namespace again after a failed read', async () => {
    let failures = 1;
    const { labels, asked } = start(async () => {
      if (failures-- > 0) throw new Error('no');
      return {};
    });
    await assert.rejects(labels('a'), /no/);
    assert.deepEqual(await labels('a'), {});
    assert.deepEqual(asked, ['a', 'a']);
  });
});

describe('the phase of a namespace', () => {
  const phaseAfter = (code: number) =>
    readNamespacePhase(async () => {
      throw Object.assign(new Error('refused'), {
        code,
        body: { reason: 'NotFound', details: { kind: 'namespaces' } },
      });
    }, 'a');

  test('a namespace that the API server does not find is absent, and a namespace that it refuses to read is unknown', async () => {
    assert.deepEqual([await phaseAfter(404), await phaseAfter(403)], ['absent', undefined]);
  });
});
