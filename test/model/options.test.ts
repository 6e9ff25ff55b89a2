import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { boundsOf } from './bounds.ts';
import { readOptions } from './options.ts';
import { deepScenarios } from './scenarios.ts';

const namesOf = (values: Parameters<typeof readOptions>[0]) => readOptions(values).scenarios.map(({ name }) => name);

describe('the options of npm run model', () => {
  test('each scenario has a name of its own', () => {
    const names = deepScenarios.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
  });

  test('--only selects the scenario with this name, or else the scenarios whose name contains the text', () => {
    assert.deepEqual(namesOf({ only: 'crash' }), ['crash']);
    assert.deepEqual(namesOf({ only: 'time', gate: true }), [
      'a rotation without faults, in finer time',
      'an install that begins, and the Secret is deleted, in coarser time',
    ]);
  });

  test('--bounds completes the object with the usual bounds', () => {
    assert.deepEqual(readOptions({ bounds: '{"replicas":3}' }).bounds, boundsOf({ replicas: 3 }));
  });

  const wrong = [
    [{ only: 'zzz' }, /^--only: invalid value "zzz": must be part of the name of a scenario:\n {2}a rotation/],
    [{ states: 'abc' }, /^--states: invalid value "abc": must be a whole number of at least 1$/],
    [{ states: '0' }, /^--states: invalid value "0"/],
    [{ bounds: '{' }, /^--bounds: invalid value \{: must be a JSON object such as/],
    [{ bounds: '[]' }, /^--bounds: invalid value \[\]: must be/],
    [{ bounds: '{"fault":1}' }, /^--bounds: invalid value \{"fault":1\}: must be/],
    [{ bounds: '{"kinds":["fire"]}' }, /^--bounds: .* with kinds of crash, call-fails/],
  ] as const;
  for (const [values, message] of wrong) {
    test(`readOptions refuses a wrong value: ${JSON.stringify(values)}`, () => {
      assert.throws(() => readOptions(values), { message });
    });
  }
});
