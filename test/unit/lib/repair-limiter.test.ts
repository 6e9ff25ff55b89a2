import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createRepairLimiter, type RepairLimiter } from '../../../src/lib/repair-limiter.ts';

const START = new Date('2026-03-01T12:00:00Z').getTime();
const MINUTE_MS = 60_000;
const at = (ms: number): Date => new Date(START + ms);

/** Returns a limiter after this number of repairs at one moment. */
function limiterAfter(repairs: number, atMs = 0): RepairLimiter {
  const limiter = createRepairLimiter(1_000);
  for (let count = 0; count < repairs; count += 1) limiter.record('secret', at(atMs));
  return limiter;
}

describe('the delay of a repair', () => {
  test('the first repair of an object is not delayed', () => {
    assert.equal(createRepairLimiter(1_000).delayMs('secret', at(0)), 0);
  });

  test('the first twenty repairs of an object in a row are not delayed, and the next is delayed by one second', () => {
    assert.equal(limiterAfter(19).delayMs('secret', at(0)), 0);
    assert.equal(limiterAfter(20).delayMs('secret', at(0)), 1_000);
  });

  const waits = { 20: 1, 21: 2, 22: 4, 23: 8, 24: 16, 25: 32, 26: 64, 27: 128, 28: 256, 29: 300, 30: 300, 2000: 300 };
  for (const [repairs, seconds] of Object.entries(waits)) {
    test(`the next repair after ${repairs} repairs in a row is delayed by ${seconds} s`, () => {
      assert.equal(limiterAfter(Number(repairs)).delayMs('secret', at(0)), seconds * 1000);
    });
  }

  test('the delay of a repair counts from the last repair', () => {
    const limiter = limiterAfter(24);
    assert.equal(limiter.delayMs('secret', at(1)), 15_999);
    assert.equal(limiter.delayMs('secret', at(15_999)), 1);
    assert.equal(limiter.delayMs('secret', at(16_000)), 0);
    assert.equal(limiter.delayMs('secret', at(MINUTE_MS)), 0);
  });

  test('repairs of one object do not delay the repair of another', () => {
    const limiter = limiterAfter(30);
    assert.equal(limiter.delayMs('registration', at(0)), 0);
    limiter.record('registration', at(0));
    assert.equal(limiter.delayMs('registration', at(0)), 0);
    assert.equal(limiter.delayMs('secret', at(0)), 5 * MINUTE_MS);
  });
});

describe('the end of a conflict with another writer', () => {
  test('a repair within ten minutes of the last one is delayed as part of the same conflict', () => {
    const limiter = limiterAfter(24);
    limiter.record('secret', at(10 * MINUTE_MS - 1));
    assert.equal(limiter.delayMs('secret', at(10 * MINUTE_MS - 1)), 32_000);
  });

  test('ten minutes without a repair reset the repair delay', () => {
    const limiter = limiterAfter(30);
    for (let count = 0; count < 20; count += 1) {
      assert.equal(limiter.delayMs('secret', at(10 * MINUTE_MS)), 0);
      limiter.record('secret', at(10 * MINUTE_MS));
    }
    assert.equal(limiter.delayMs('secret', at(10 * MINUTE_MS)), 1_000);
  });

  test('setting back the clock does not delay a repair', () => {
    const limiter = limiterAfter(24, MINUTE_MS);
    assert.equal(limiter.delayMs('secret', at(MINUTE_MS - 1)), 0);
    limiter.record('secret', at(0));
    assert.equal(limiter.delayMs('secret', at(0)), 32_000);
  });

  test('the repair limiter remembers the latest 1,000 objects', () => {
    const limiter = limiterAfter(25);
    for (let nth = 0; nth < 999; nth += 1) limiter.record(`object-${nth}`, at(0));
    assert.ok(limiter.delayMs('secret', at(0)) > 0);
    limiter.record('one more', at(0));
    assert.equal(limiter.delayMs('secret', at(0)), 0);
  });
});
