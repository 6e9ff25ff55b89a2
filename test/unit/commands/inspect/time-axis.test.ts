import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { timeAxis } from '../../../../src/commands/inspect/page/time-axis.ts';

const DAY_MS = 86_400_000;
const names = (fromNowMs: readonly number[]) => timeAxis(fromNowMs).ticks.map(({ name }) => name);

describe('the time axis of the page of inspect', () => {
  test('the time axis begins now, ends with the last certificate, and shows days and years', () => {
    const { position } = timeAxis([61 * DAY_MS, 3622 * DAY_MS]);
    assert.deepEqual(
      [position(-DAY_MS), position(0), position(3622 * DAY_MS), position(4000 * DAY_MS)],
      [0, 0, 100, 100],
    );
    assert.deepEqual(names([61 * DAY_MS, 3622 * DAY_MS]), ['1 week', '1 month', '1 year']);
  });

  test('the time axis of expired certificates and of certificates of some hours has the length of a day', () => {
    for (const fromNowMs of [[], [-DAY_MS], [DAY_MS / 12]]) {
      assert.deepEqual(names(fromNowMs), ['1 hour', '6 hours'], `${fromNowMs}`);
    }
  });

  test('the marks of each time axis have room for their names', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -DAY_MS, max: 300_000 * DAY_MS })), (fromNowMs) => {
        const positions = timeAxis(fromNowMs).ticks.map(({ position }) => position);
        for (const [index, position] of positions.entries()) {
          assert.ok(position - (positions[index - 1] ?? 0) >= 14 && position <= 94, `${positions}`);
        }
      }),
    );
  });
});
