import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Sample, trendOf } from '../../chaos/trend.ts';

const MINUTE_MS = 60_000;

const samples = (valueAt: (minute: number) => number): Sample[] =>
  Array.from({ length: 120 }, (_, minute) => ({ atMs: minute * MINUTE_MS, value: valueAt(minute) }));

describe('the trend of samples', () => {
  it('constant samples have no growth', () => {
    assert.deepEqual(
      trendOf(
        samples(() => 40),
        1,
      ),
      { mean: 40, growthPerHour: 0, noise: 1, isGrowing: false },
    );
  });

  it('a slow leak counts as growth, fluctuation does not', () => {
    const saw = (minute: number) => (minute % 7) * 2;
    assert.equal(trendOf(samples(saw), 1).isGrowing, false);
    const leak = trendOf(
      samples((minute) => saw(minute) + minute / 4),
      1,
    );
    assert.equal(leak.isGrowing, true);
    assert.ok(Math.abs(leak.growthPerHour - 15) < 1, `${leak.growthPerHour} an hour`);
  });

  it('growth in the first third of the samples, the warm-up, is ignored', () => {
    const { isGrowing, mean } = trendOf(
      samples((minute) => Math.min(minute, 40)),
      1,
    );
    assert.deepEqual([isGrowing, mean], [false, 40]);
  });

  it('without samples there is no growth', () => {
    assert.equal(trendOf([], 1).isGrowing, false);
    assert.equal(trendOf([{ atMs: 0, value: 5 }], 1).isGrowing, false);
  });
});
