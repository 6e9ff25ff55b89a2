import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import fc from 'fast-check';
import { fuzz } from '../fuzz/target.ts';
import { targets } from '../fuzz/targets.ts';

/** Limits for a short run of each fuzz target. `npm run fuzz` runs longer. */
const SHORT = { seed: 20_261_124, ms: 200, mostCpuMs: 5_000 };

suite('a short run of each fuzz target', { concurrency: 2 }, () => {
  for (const [name, open] of Object.entries(targets)) {
    test(`a short fuzz run of the target ${name} finds nothing`, async () => {
      const target = await open();
      try {
        const { inputs, finding } = await fuzz(target, { ...SHORT, batch: 20 });
        assert.equal(finding, undefined);
        assert.ok(inputs >= 20);
      } finally {
        await target.close?.();
      }
    });
  }
});

suite('the fuzzer', () => {
  test('the fuzzer returns the smallest failing input and its seed', async () => {
    const target = {
      inputs: fc.array(fc.nat(100)),
      check: (list: number[]) => assert.ok(!list.some((number) => number >= 50), 'fifty or more'),
    };
    const { finding } = await fuzz(target, SHORT);
    assert.equal(finding?.input, '[50]');
    assert.match(finding?.error ?? '', /fifty or more/);
    const again = await fuzz(target, { ...SHORT, seed: finding?.seed ?? 0, ms: 0 });
    assert.deepEqual([again.finding?.input, again.finding?.seed], ['[50]', finding?.seed]);
  });

  test('the fuzzer reports an input that takes too much CPU time', async () => {
    const check = () => {
      const end = performance.now() + 30;
      while (performance.now() < end);
    };
    const { finding } = await fuzz({ inputs: fc.constant('x'), check }, { ...SHORT, mostCpuMs: 2 });
    assert.match(finding?.error ?? '', /ms of CPU time/);
  });

  test('the fuzzer generates the same inputs for the same seed', async () => {
    const seen: string[][] = [[], []];
    for (const list of seen) {
      await fuzz({ inputs: fc.string(), check: (text) => void list.push(text) }, { ...SHORT, ms: 0 });
    }
    assert.deepEqual(seen[0], seen[1]);
  });
});
