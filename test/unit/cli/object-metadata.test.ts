import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entries, entriesPattern } from '../../../src/cli/object-metadata.ts';

const long = 'a'.repeat(63);

const good = {
  labels: [
    ['team=payments', { team: 'payments' }],
    ['empty=', { empty: '' }],
    [`${long}=${long},example.com/Cost_center.1=4-2`, { [long]: long, 'example.com/Cost_center.1': '4-2' }],
  ],
  annotations: [
    ['example.com/owner=Team Payments: a=b', { 'example.com/owner': 'Team Payments: a=b' }],
    [`${'a'.repeat(253)}/b=c`, { [`${'a'.repeat(253)}/b`]: 'c' }],
  ],
} as const;

const bad = {
  labels: [
    '',
    'team',
    '=a',
    'a=b c',
    'a b=c',
    `a=${long}a`,
    `${long}a=b`,
    'Example.com/a=b',
    'a/b/c=d',
    'a=-',
    'a=b\n',
  ],
  annotations: [
    'owner',
    '=a',
    `${'a'.repeat(254)}/b=c`,
    'app.kubernetes.io/managed-by=Helm',
    'terraform.job.kb.io/paused=',
  ],
} as const;

describe('the options --object-labels and --object-annotations', () => {
  for (const kind of ['labels', 'annotations'] as const) {
    test(`a valid list of ${kind} is parsed by key, also by the pattern of the chart`, () => {
      for (const [text, value] of good[kind]) {
        assert.deepEqual(entries(kind)(text), { value });
        assert.match(text, new RegExp(entriesPattern(kind)));
      }
    });

    test(`an invalid list of ${kind} is refused with the invalid item`, () => {
      for (const item of bad[kind]) {
        const parsed = entries(kind)(item);
        assert.ok('allowed' in parsed && parsed.allowed.endsWith(`: without ${JSON.stringify(item)}`), item);
      }
    });
  }

  test('one error names all invalid items of a list, and a key that appears twice', () => {
    const parsed = entries('labels')('a=1,b,c=2,a=3,app.kubernetes.io/managed-by=Helm');
    assert.ok('allowed' in parsed);
    assert.match(parsed.allowed, /: without "b", "a=3", "app\.kubernetes\.io\/managed-by=Helm"$/);
  });
});
