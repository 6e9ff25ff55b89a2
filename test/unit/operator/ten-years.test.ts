import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextResyncMs } from '../../../src/operator/resync.ts';
import { simulate } from '../../support/fakes/simulation.ts';

const DAYS = 3653;

test('the presented certificate stays trusted over ten simulated years with lost writes, crashes, restarts and clock jumps', async (t) => {
  const seeds = fc.record({ seed: fc.integer(), replicas: fc.integer({ min: 1, max: 3 }) });
  await fc.assert(
    fc.asyncProperty(seeds, async ({ seed, replicas }) => {
      const life = await simulate({ replicas, days: DAYS, random: randomFrom(seed) });
      t.diagnostic(JSON.stringify({ seed, replicas, ...life }));
      assert.deepEqual(life.failures, []);
      assert.ok(life.rotations >= 5, `${life.rotations} rotations in ten years, with a CA lifetime of two`);
      assert.ok(life.renewals >= 60, `${life.renewals} renewals in ten years`);
      assert.ok(life.busiestDay <= 30 * replicas, `${life.busiestDay} passes on the busiest day`);
    }),
    { numRuns: 5 },
  );
});

test('nextResyncMs returns a time that is neither a hot loop nor more than a timer can wait, for any input', () => {
  const moments = fc.date({ min: new Date('2020-01-01'), max: new Date('2120-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(moments, moments, fc.nat(1000), fc.boolean(), (until, now, failures, isFromFiles) => {
      const ms = nextResyncMs({ until, now, failures, isFromFiles, settleMs: 60_000, isStarting: false });
      assert.ok(ms >= 100 && ms <= 60_000, `${ms} ms`);
    }),
  );
});

/** Returns the pseudo-random number generator Mulberry32 with a seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
