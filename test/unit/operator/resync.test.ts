import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextResyncMs, type ResyncInputs } from '../../../src/operator/resync.ts';

const now = new Date('2026-03-01T12:00:00Z');
const inMs = (ms: number): Date => new Date(now.getTime() + ms);

const rows: readonly (Partial<ResyncInputs> & { readonly what: string; readonly expectedMs: number })[] = [
  { what: 'no step is due', expectedMs: 60_000 },
  { what: 'no step is due and the certificates are files', isFromFiles: true, expectedMs: 10_000 },
  { what: 'the next step is due in 1,234 ms', until: inMs(1_234), expectedMs: 1_234 },
  { what: 'the next step is due just before the longest pause', until: inMs(59_999), expectedMs: 59_999 },
  { what: 'the next step is due just after the longest pause', until: inMs(60_001), expectedMs: 60_000 },
  { what: 'the next step is due in years', until: inMs(1e11), expectedMs: 60_000 },
  {
    what: 'the next step is due after the longest pause for files',
    until: inMs(30_000),
    isFromFiles: true,
    expectedMs: 10_000,
  },
  { what: 'the next step is due now', until: now, expectedMs: 100 },
  { what: 'the next step is due in less than 100 ms', until: inMs(99), expectedMs: 100 },
  { what: 'the next step was due long ago', until: inMs(-1e9), expectedMs: 100 },
  { what: 'one pass has failed', failures: 1, expectedMs: 250 },
  { what: 'two passes have failed in a row', failures: 2, expectedMs: 500 },
  { what: 'eight passes have failed in a row', failures: 8, expectedMs: 32_000 },
  { what: 'nine passes have failed in a row', failures: 9, expectedMs: 60_000 },
  {
    what: 'nine passes have failed in a row and API servers cannot call the replica yet',
    failures: 9,
    isStarting: true,
    expectedMs: 5_000,
  },
  { what: '5,000 passes have failed in a row', failures: 5_000, expectedMs: 60_000 },
  {
    what: 'seven passes have failed in a row and the certificates are files',
    failures: 7,
    isFromFiles: true,
    expectedMs: 10_000,
  },
  { what: 'three passes have failed in a row and a step is due', failures: 3, until: now, expectedMs: 1_000 },
];

describe('nextResyncMs', () => {
  for (const { what, expectedMs, ...outlook } of rows) {
    test(`nextResyncMs returns ${expectedMs} ms if ${what}`, () => {
      const usual = { until: undefined, now, failures: 0, isFromFiles: false, settleMs: 120_000, isStarting: false };
      assert.equal(nextResyncMs({ ...usual, ...outlook }), expectedMs);
    });
  }
});
