import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { matchesPattern, terraformPolicy } from '../../src/policy.ts';
import { areSound, celString, matchConditions } from '../../src/policy-cel.ts';
import { policies } from '../support/policy-jobs.ts';

describe('a pattern', () => {
  const rows: [pattern: string, text: string, isMatch: boolean][] = [
    ['a', 'a', true],
    ['a', 'ab', false],
    ['*', '', true],
    ['**', 'anything\nat all', true],
    ['*-destroy', '-destroy', true],
    ['*-destroy', 'x-destroyed', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['a*b*b', 'ab', false],
    ['a.b', 'axb', false],
    ['a*aa*a', 'aaa', false],
    ['', 'a', false],
  ];
  for (const [pattern, text, isMatch] of rows) {
    test(`${pattern} ${isMatch ? 'is' : 'is not'} ${JSON.stringify(text)}`, () => {
      assert.equal(matchesPattern(pattern, text), isMatch);
    });
  }

  test('is the same as a regular expression in which only the star is special', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '\n', '😀') });
    fc.assert(
      fc.property(few, few, (pattern, text) => {
        const escaped = pattern.split('*').map((part) => part.replaceAll('.', '[.]'));
        assert.equal(matchesPattern(pattern, text), new RegExp(`^${escaped.join('.*')}$`, 'su').test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('takes no time on a name of a megabyte', () => {
    const start = performance.now();
    assert.equal(matchesPattern('*a'.repeat(100), `${'a'.repeat(1e6)}b`), false);
    assert.equal(matchesPattern(`${'*a'.repeat(100)}*b`, 'a'.repeat(1e6)), false);
    assert.ok(performance.now() - start < 1_000);
  });
});

describe('a policy in CEL', () => {
  test('quotes whatever a text has in it', () => {
    assert.equal(celString(`it's a "\\"\n\u007f`), `'it\\'s a "\\\\"\\u000a\\u007f'`);
  });

  test('reads no field that may be absent before it is known to be there', () => {
    const optional =
      /(?<!has\()\b(?:object\.metadata\.(?:name|labels|annotations)|oldObject\.status|\w+\.spec\.template\.spec\.\w+|object\.spec\.backoffLimit)\b/g;
    for (const policy of Object.values(policies)) {
      for (const { expression } of matchConditions(policy)) {
        for (const { 0: field } of expression.matchAll(optional))
          assert.ok(expression.includes(`has(${field})`), field);
      }
    }
  });

  test('takes the labels of a namespace to hold, but then does not keep later rules from being looked at', () => {
    const rule = {
      match: { namespaceLabels: { env: 'prod' } },
      set: { backoffLimit: 1, restartPolicy: 'Keep' },
    } as const;
    const condition = matchConditions({ rules: [{ name: 'prod', ...rule }] }).at(-1);
    assert.equal(
      condition?.expression,
      '(true && ((has(object.spec.backoffLimit) ? object.spec.backoffLimit : 6) > 1 || false)) ? true :\nfalse',
    );
  });

  test('has names that the API server takes, each once', () => {
    const names = matchConditions(terraformPolicy).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
  });

  test('is told from an edit by hand', () => {
    for (const policy of Object.values(policies)) {
      const conditions = matchConditions(policy);
      assert.ok(areSound(conditions));
      assert.ok(areSound(conditions.toReversed()));
      for (const index of conditions.keys()) {
        assert.ok(!areSound(conditions.toSpliced(index, 1)));
        assert.ok(!areSound(conditions.map((one, at) => (at === index ? { ...one, expression: 'false' } : one))));
      }
      assert.ok(!areSound([...conditions, { name: 'never', expression: 'false' }]));
    }
    assert.ok(!areSound([]));
  });
});
