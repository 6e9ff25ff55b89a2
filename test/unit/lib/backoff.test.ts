import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exponentialBackoffMs } from '../../../src/lib/backoff.ts';

test('the backoff is 0 without a failure, then doubles from the first pause to the longest', () => {
  const pauses = [0, 1, 2, 3, 4, 5, 2_000].map((failures) =>
    exponentialBackoffMs(failures, { firstMs: 100, longestMs: 1_000 }),
  );
  assert.deepEqual(pauses, [0, 100, 200, 400, 800, 1_000, 1_000]);
});
