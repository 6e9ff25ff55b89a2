import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { areSound, matchConditions } from '../../../src/policy/cel.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { celString, matchesPattern } from '../../../src/policy/predicates.ts';
import { policies } from '../../support/builders/policy-jobs.ts';

describe('name patterns of a policy', () => {
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
    test(`the pattern ${pattern} ${isMatch ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
      assert.equal(matchesPattern(pattern, text), isMatch);
    });
  }

  test('a name pattern matches like a regular expression in which only * is special', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '\n', '😀') });
    fc.assert(
      fc.property(few, few, (pattern, text) => {
        const escaped = pattern.split('*').map((part) => part.replaceAll('.', '[.]'));
        assert.equal(matchesPattern(pattern, text), new RegExp(`^${escaped.join('.*')}$`, 'su').test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a name pattern is matched quickly against a name of 1 MB', () => {
    const before = process.cpuUsage();
    assert.equal(matchesPattern('*a'.repeat(100), `${'a'.repeat(1e6)}b`), false);
    assert.equal(matchesPattern(`${'*a'.repeat(100)}*b`, 'a'.repeat(1e6)), false);
    assert.ok(process.cpuUsage(before).user / 1_000 < 2_000);
  });
});

describe('a policy as CEL expressions', () => {
  test('celString escapes quotes, backslashes and control characters for CEL', () => {
    assert.equal(celString(`it's a "\\"\n\u007f`), `'it\\'s a "\\\\"\\u000a\\u007f'`);
  });

  test('the CEL expressions of a policy read an optional field only after has()', () => {
    const optional =
      /(?<!has\()\b(?:object\.metadata\.(?:name|labels|annotations)|oldObject\.status|\w+\.spec\.template\.spec\.\w+|object\.spec\.backoffLimit)\b/g;
    for (const policy of Object.values(policies)) {
      for (const { expression } of matchConditions(policy)) {
        for (const { 0: field } of expression.matchAll(optional))
          assert.ok(expression.includes(`has(${field})`), field);
      }
    }
  });

  test('the match conditions of a policy have unique names that the API server accepts', () => {
    const names = matchConditions(terraformPolicy).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
  });

  test('areSound accepts the match conditions of a policy and refuses edited ones', () => {
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

describe('parsePolicy', () => {
  const wholeMatch = { jobName: '*' };
  const file = (rule: object) =>
    JSON.stringify({ rules: [{ name: 'a', match: wholeMatch, set: { backoffLimit: 0 }, ...rule }] }, null, 1);

  for (const [name, policy] of Object.entries(policies)) {
    test(`parsePolicy returns the policy "${name}" unchanged`, () =>
      assert.deepEqual(parsePolicy(JSON.stringify(policy)), { value: policy }));
  }

  test('parsePolicy reports at most 50 problems of an invalid file, without control characters', () => {
    const fields = Array.from({ length: 4_000 }, (_, index) => [`\u001b[31m\u202e${index}`, 1]);
    const parsed = parsePolicy(JSON.stringify(Object.fromEntries(fields)));
    assert.ok('problems' in parsed);
    assert.equal(parsed.problems.length, 51);
    assert.equal(parsed.problems[50], 'and 3951 more problems');
    assert.match(parsed.problems[1] ?? '', /^line 1: \\u001b\[31m\\u202e\d+: unknown field/);
  });

  test('parsePolicy refuses labels whose CEL expression is too long for the API server', () => {
    const rules = Array.from({ length: 32 }, (_, nth) => ({
      name: `rule-${nth}`,
      match: {
        labels: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`label-${index}`, 'value'])),
      },
      set: { backoffLimit: 0 },
    }));
    const parsed = parsePolicy(JSON.stringify({ rules }));
    assert.ok('problems' in parsed);
    assert.match(
      parsed.problems.join(),
      /^rules: too long: \d+ characters as a CEL expression: must have at most 60000/,
    );
  });

  test('parsePolicy resolves YAML anchors and aliases', () => {
    const rule = (name: string, match: string) => `{name: ${name}, match: ${match}, set: {backoffLimit: 0}}`;
    const parsed = parsePolicy(`rules:\n- ${rule('a', '&all {jobName: "*"}')}\n- ${rule('b', '*all')}`);
    assert.ok('value' in parsed, JSON.stringify(parsed));
    assert.deepEqual(parsed.value.rules[1]?.match, { jobName: '*' });
  });

  test('parsePolicy defaults restartPolicy to Never and accepts JSON with tabs', () => {
    const text = JSON.stringify({ rules: [{ name: 'a', match: wholeMatch, set: { backoffLimit: 0 } }] }, null, '\t');
    const set = { backoffLimit: 0, restartPolicy: 'Never' };
    assert.deepEqual(parsePolicy(text), { value: { rules: [{ name: 'a', match: wholeMatch, set }] } });
  });

  const wrong: Readonly<Record<string, readonly [string, readonly RegExp[]]>> = {
    'no content': ['', [/^line 1: policy: required: must be an object with the field rules$/]],
    'no rules': ['rules: []', [/^line 1: rules: invalid value an empty list: must be a list of 1 to 32 rules$/]],
    'a tab in YAML': ['rules:\n\t- a', [/^line 2: /]],
    'a repeated field': ['rules: []\nrules: []', [/^line 2: Map keys must be unique$/]],
    'a pattern without quotes': [
      'rules:\n- name: a\n  match: {jobName: *-apply}\n  set: {backoffLimit: 0}\n- {name: b, match: {jobName: *}}',
      [
        /^line 3: unknown alias \*-apply: quote a string that begins with \*$/,
        /^line 5: Alias cannot be an empty string$/,
      ],
    ],
    'two documents': ['rules: []\n---\nrules: []', [/^line \d: a second document begins: must be one document$/]],
    'a mistyped field': [
      file({ match: { jobNmae: '*' } }),
      [
        /^line \d: rules\[0\]\.match\.jobNmae: unknown field; valid fields are namespaces, jobName, labels, serviceAccountName, containerName$/,
        /match: invalid value an object: must be an object with at least one field/,
      ],
    ],
    'an empty match': [
      file({ match: {} }),
      [/match: invalid value an empty object: must be an object with at least one field;/],
    ],
    'a backoffLimit that is a string': [
      file({ set: { backoffLimit: '0' } }),
      [/set\.backoffLimit: invalid value "0": must be a whole number from 0 to 2147483647$/],
    ],
    'a backoffLimit that is too large': [file({ set: { backoffLimit: 2147483648 } }), [/invalid value 2147483648:/]],
    'a regular expression': [
      file({ match: { jobName: '^a.*$' } }),
      [/jobName: invalid value "\^a\.\*\$": must be a name or a pattern/],
    ],
    'an invalid label key': [
      file({ match: { labels: { 'a b': 'x' } } }),
      [/labels\.a b: invalid value "a b": must be 1 to 100 labels/],
    ],
    'a mistyped field of namespaceSelector': [
      JSON.stringify({ namespaceSelector: { matchLabel: { a: 'b' } }, rules: [] }),
      [
        /namespaceSelector\.matchLabel: unknown field; valid fields are matchLabels, matchExpressions$/,
        /namespaceSelector: invalid value an object: must be an object with matchLabels, matchExpressions or both$/,
        /rules: invalid value an empty list/,
      ],
    ],
    'invalid requirements in namespaceSelector': [
      JSON.stringify(
        {
          namespaceSelector: {
            matchExpressions: [
              { key: 'a', operator: 'In' },
              { key: 'a', operator: 'Exists', values: ['b'] },
              { key: 'a', operator: 'Is', value: [] },
            ],
          },
          rules: [{ name: 'a', match: wholeMatch, set: { backoffLimit: 0 } }],
        },
        null,
        1,
      ),
      [
        /matchExpressions\[0\]: invalid value an object: must be 1 to 100 values for In and NotIn, none for Exists and DoesNotExist$/,
        /matchExpressions\[1\]: invalid value an object: must be 1 to 100 values/,
        /matchExpressions\[2\]\.operator: invalid value "Is": must be In, NotIn, Exists or DoesNotExist$/,
        /matchExpressions\[2\]\.value: unknown field; valid fields are key, operator, values$/,
      ],
    ],
    'no labels': [file({ match: { labels: {} } }), [/labels: invalid value an empty object: must be 1 to 100/]],
    'the field __proto__': ['rules: []\n__proto__: {}', [/^line 2: unknown field __proto__$/]],
    'two rules of the same name and a missing backoffLimit': [
      'rules:\n- {name: a, match: {jobName: "*"}, set: {backoffLimit: 0}}\n- {name: a, match: {jobName: "*"}, set: {}}',
      [
        /^line 3: rules\[1\]\.set\.backoffLimit: required:/,
        /^line 3: rules\[1\]\.name: duplicate value "a": rules\[0\] has the same name$/,
      ],
    ],
    'rules whose CEL expressions are too long': [
      JSON.stringify({
        rules: Array.from({ length: 32 }, (_, nth) => ({
          name: `r${nth}`,
          match: { namespaces: Array.from({ length: 100 }, (_, index) => `${'x'.repeat(50)}${index}`) },
          set: { backoffLimit: 0 },
        })),
      }),
      [/^rules: too long: \d+ characters as a CEL expression: must have at most 60000/],
    ],
  };
  for (const [what, [text, problems]] of Object.entries(wrong)) {
    test(`parsePolicy refuses a policy file with ${what}`, () => {
      const parsed = parsePolicy(text);
      assert.ok('problems' in parsed);
      assert.equal(parsed.problems.length, problems.length, parsed.problems.join('\n'));
      for (const pattern of problems)
        assert.ok(
          parsed.problems.some((one) => pattern.test(one)),
          `${pattern}: ${parsed.problems}`,
        );
    });
  }

  test('parsePolicy does not throw for arbitrary text', () => {
    const words = fc.constantFrom(
      'rules:',
      ' - ',
      'name: a',
      'match:',
      '{',
      '}',
      '[',
      ']',
      '\n',
      '  ',
      '&a',
      '*a',
      '"',
      ': ',
      '!!js',
      '\u0000',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json(),
          fc.array(words).map((all) => all.join('')),
        ),
        (text) => void parsePolicy(text),
      ),
    );
  });
});
