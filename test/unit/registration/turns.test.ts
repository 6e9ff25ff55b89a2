import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTurns } from '../../../src/registration/turns.ts';

describe('replicas with different options or policies', () => {
  const at = (seconds: number) => new Date(1_900_000_000_000 + seconds * 1_000);
  const [old, young, next] = ['Ignore', 'Fail', 'Other'].map((failurePolicy) => ({ failurePolicy, clientConfig: {} }));
  assert.ok(old && young && next);

  test('write their own when they start', () => {
    assert.deepEqual(createTurns().choose(young, old, at(0)), { kind: 'own' });
    assert.deepEqual(createTurns().choose(young, undefined, at(0)), { kind: 'own' });
  });

  test('leave what another one has published later for three minutes, and only that', () => {
    const turns = createTurns();
    turns.published(old);
    assert.deepEqual(turns.choose(old, young, at(0)), { kind: 'yield' });
    assert.deepEqual(turns.choose(old, young, at(179)), { kind: 'yield' });
    assert.deepEqual(turns.choose(old, undefined, at(179)), { kind: 'own' }, 'no replica has written that');
    assert.deepEqual(turns.choose(old, young, at(180)), { kind: 'yield' }, 'it begins anew');
    assert.deepEqual(turns.choose(old, young, at(360)), { kind: 'return' });
  });

  test('write their own once it has changed too', () => {
    const turns = createTurns();
    turns.published(old);
    assert.deepEqual(turns.choose(old, young, at(0)), { kind: 'yield' });
    assert.deepEqual(turns.choose(next, young, at(1)), { kind: 'own' });
  });

  test('are not put off for ever by a clock that is set back', () => {
    const turns = createTurns();
    turns.published(old);
    turns.choose(old, young, at(0));
    assert.deepEqual(turns.choose(old, young, at(-1)), { kind: 'return' });
  });

  test('that keep to them fight: each wait is twice the one before, up to an hour, until they have changed', () => {
    const turns = createTurns();
    turns.published(old);
    let second = 0;
    const waits = [180, 360, 720, 1440, 2880, 3600, 3600].map((wait) => {
      assert.deepEqual(turns.choose(old, young, at(second)), { kind: 'yield' });
      assert.deepEqual(turns.choose(old, young, at(second + wait - 1)), { kind: 'yield' });
      second += wait;
      const { kind, fightMs } = turns.choose(old, young, at(second));
      assert.equal(kind, 'return');
      return fightMs;
    });
    assert.deepEqual(
      waits,
      [undefined, 720, 1440, 2880, 3600, 3600, 3600].map((one) => one && one * 1_000),
    );
    turns.choose(young, old, at(second));
    turns.published(young);
    turns.choose(young, old, at(second));
    assert.deepEqual(turns.choose(young, old, at(second + 180)), { kind: 'return' });
  });
});
