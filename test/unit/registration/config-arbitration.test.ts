import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTurns } from '../../../src/registration/config-arbitration.ts';

describe('replicas with different options or policies', () => {
  const at = (seconds: number) => new Date(1_900_000_000_000 + seconds * 1_000);
  const terms = (failurePolicy: string) => ({ failurePolicy, clientConfig: {} });
  const [old, young, next] = [terms('Ignore'), terms('Fail'), terms('Other')];
  /** One that has published the old ones. */
  const anOldOne = () => {
    const turns = createTurns();
    turns.published(old, { kind: 'own' }, at(0));
    return turns;
  };

  test('write their own when they start', () => {
    assert.deepEqual(createTurns().choose(young, old, at(0)), { kind: 'own' });
    assert.deepEqual(createTurns().choose(young, undefined, at(0)), { kind: 'own' });
  });

  test('leave what another one has published later for three minutes, and only that', () => {
    const turns = anOldOne();
    assert.deepEqual(turns.choose(old, young, at(0)), { kind: 'yield' });
    assert.deepEqual(turns.choose(old, young, at(179)), { kind: 'yield' });
    assert.deepEqual(turns.choose(old, undefined, at(179)), { kind: 'own' }, 'no replica has written that');
    assert.deepEqual(turns.choose(old, young, at(180)), { kind: 'yield' }, 'it begins anew');
    assert.deepEqual(turns.choose(old, next, at(350)), { kind: 'yield' }, 'and for each that is another');
    assert.deepEqual(turns.choose(old, next, at(529)), { kind: 'yield' });
    assert.deepEqual(turns.choose(old, next, at(530)), { kind: 'return' });
  });

  test('write their own once it has changed too', () => {
    const turns = anOldOne();
    assert.deepEqual(turns.choose(old, young, at(0)), { kind: 'yield' });
    assert.deepEqual(turns.choose(next, young, at(1)), { kind: 'own' });
  });

  test('are not put off for ever by a clock that is set back', () => {
    const turns = anOldOne();
    turns.choose(old, young, at(0));
    assert.deepEqual(turns.choose(old, young, at(-1)), { kind: 'return' });
  });

  test('return until that was written, and it counts once', () => {
    const turns = anOldOne();
    turns.choose(old, young, at(0));
    for (const second of [180, 181, 190]) assert.deepEqual(turns.choose(old, young, at(second)), { kind: 'return' });
    turns.published(old, { kind: 'return' }, at(190));
    assert.deepEqual(turns.choose(old, young, at(191)), { kind: 'yield' });
  });

  /** Leaves the other ones, and returns. Answers what the turn was. */
  function returnAt(turns: ReturnType<typeof createTurns>, second: number) {
    assert.deepEqual(turns.choose(old, young, at(second - 180)), { kind: 'yield' });
    assert.deepEqual(turns.choose(old, young, at(second - 1)), { kind: 'yield' }, 'the wait is always the same');
    const turn = turns.choose(old, young, at(second));
    assert.equal(turn.kind, 'return');
    turns.published(old, turn, at(second));
    turns.published(old, { kind: 'own' }, at(second + 1));
    return turn.fightMs;
  }

  test('that keep to them fight, from the second return in twelve minutes on', () => {
    const turns = anOldOne();
    const fights = [180, 540, 900, 1260].map((second) => returnAt(turns, second));
    assert.deepEqual(fights, [undefined, 180_000, 180_000, 180_000]);
  });

  test('do not fight where a return is long ago', () => {
    const turns = anOldOne();
    const fights = [180, 1_000, 1_200, 100_000].map((second) => returnAt(turns, second));
    assert.deepEqual(fights, [undefined, undefined, 180_000, undefined]);
  });

  test('forget what was when their own change', () => {
    const turns = anOldOne();
    returnAt(turns, 180);
    turns.published(next, { kind: 'own' }, at(200));
    turns.published(old, { kind: 'own' }, at(210));
    assert.equal(returnAt(turns, 400), undefined);
  });
});
