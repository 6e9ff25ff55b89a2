import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSelected } from '../../../src/policy/namespace-selector.ts';
import type { LabelSelector, Labels } from '../../../src/policy/policy.ts';

describe('the namespaceSelector of a policy', () => {
  const rows: readonly [LabelSelector, Labels, boolean][] = [
    [{}, {}, true],
    [{ matchLabels: { env: 'prod' } }, { env: 'prod', team: 'a' }, true],
    [{ matchLabels: { env: 'prod', team: 'b' } }, { env: 'prod', team: 'a' }, false],
    [{ matchLabels: { constructor: 'x' } }, {}, false],
    [{ matchExpressions: [{ key: 'env', operator: 'In', values: ['dev', 'prod'] }] }, { env: 'prod' }, true],
    [{ matchExpressions: [{ key: 'env', operator: 'In', values: ['dev'] }] }, {}, false],
    [{ matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['dev'] }] }, {}, true],
    [{ matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['dev'] }] }, { env: 'dev' }, false],
    [{ matchExpressions: [{ key: 'env', operator: 'Exists' }] }, { env: '' }, true],
    [{ matchExpressions: [{ key: 'toString', operator: 'Exists' }] }, {}, false],
    [{ matchExpressions: [{ key: 'env', operator: 'DoesNotExist' }] }, {}, true],
    [
      { matchLabels: { env: 'prod' }, matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] },
      { env: 'prod', team: 'a' },
      false,
    ],
  ];
  for (const [selector, labels, expected] of rows) {
    test(`the selector ${JSON.stringify(selector)} ${expected ? 'selects' : 'does not select'} a namespace with the labels ${JSON.stringify(labels)}`, () =>
      assert.equal(isSelected(selector, labels), expected));
  }
});
