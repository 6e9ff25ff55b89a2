import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createListSplitter } from '../../../src/kube/list-stream.ts';

function split(text: string, cuts: readonly number[] = []) {
  const items: unknown[] = [];
  const splitter = createListSplitter((item) => items.push(item));
  let from = 0;
  for (const cut of [...new Set(cuts), text.length].filter((cut) => cut <= text.length).sort((a, b) => a - b)) {
    splitter.push(text.slice(from, cut));
    from = cut;
  }
  return { items, rest: splitter.end() };
}

describe('a list', () => {
  test('comes apart into its items and the rest, wherever it is cut', () => {
    const anItem = fc.dictionary(fc.string(), fc.jsonValue());
    const property = fc.property(fc.array(anItem), fc.array(fc.nat(500)), fc.boolean(), (items, cuts, isLast) => {
      const rest = { kind: 'JobList', metadata: { continue: 'a"]}\\' } };
      const list = isLast ? { ...rest, items } : { items, ...rest };
      const indent = cuts.length % 3;
      const expected = { items: JSON.parse(JSON.stringify(items)), rest: { ...rest, items: [] } };
      assert.deepEqual(split(JSON.stringify(list, null, indent), cuts), expected);
    });
    fc.assert(property);
  });

  test('without items is all rest', () => {
    assert.deepEqual(split('{"metadata":{"resourceVersion":"7"},"items":null}'), {
      items: [],
      rest: { metadata: { resourceVersion: '7' }, items: null },
    });
  });

  test('that was cut off is told as no JSON', () => {
    assert.throws(() => split('{"metadata":{},"items":[{"a":1},{"b"'), SyntaxError);
  });
});
