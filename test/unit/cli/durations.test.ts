import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseDuration } from '../../../src/cli/durations.ts';

describe('parsing of durations', () => {
  const known = {
    '0s': 0,
    '1ms': 1,
    '1s': 1000,
    '1m': 60_000,
    '1h': 3_600_000,
    '1.5s': 1500,
    '0.5h': 1_800_000,
    '1h30m': 5_400_000,
    '1h0m0s': 3_600_000,
    '1m500ms': 60_500,
    '30m1h': 5_400_000,
    '87600h': 315_360_000_000,
    '2160h': 7_776_000_000,
  };
  for (const [text, ms] of Object.entries(known)) {
    test(`the duration ${text} is ${ms} ms`, () => {
      assert.equal(parseDuration(text), ms);
    });
  }

  const refused = ['', ' ', '0', '1', 'h', '1d', '1w', '1y', '1H', '1 h', ' 1h', '1h ', '-1h', '+1h', '1.h', '.5h'];
  for (const text of [...refused, '1,5h', '1e3s', '1us', '1µs', '1ns', '1hm', '1h30', '1h\n', '１h', 'Infinityh']) {
    test(`${JSON.stringify(text)} is not a duration`, () => {
      assert.equal(parseDuration(text), undefined);
    });
  }

  test('a duration that Go prints is parsed to the same number of milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 * 365 * 24 * 3_600_000 }), (ms) => {
        assert.equal(parseDuration(writtenByGo(ms)), ms);
      }),
    );
  });

  test('a duration is the sum of its parts in any order', () => {
    const part = fc.tuple(fc.nat(10_000), fc.constantFrom(['ms', 1], ['s', 1000], ['m', 60_000], ['h', 3_600_000]));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const text = parts.map(([amount, [unit]]) => `${amount}${unit}`).join('');
        const sum = parts.reduce((total, [amount, [, unitMs]]) => total + amount * Number(unitMs), 0);
        assert.equal(parseDuration(text), sum);
      }),
    );
  });

  test('any text is parsed as a duration of at least 0 or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.hms -+') }), (text) => {
        const ms = parseDuration(text);
        assert.ok(ms === undefined || ms >= 0);
      }),
    );
  });
});

/**
 * Formats a duration as Go's `Duration.String` does, for whole milliseconds.
 *
 * @see https://pkg.go.dev/time#Duration.String
 */
function writtenByGo(ms: number): string {
  if (ms > 0 && ms < 1000) return `${ms}ms`;
  const [hours, minutes, seconds] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, (ms % 60_000) / 1000];
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
