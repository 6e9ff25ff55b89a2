import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextResyncMs, type ResyncInputs } from '../../../src/operator/resync.ts';

const now = new Date('2026-03-01T12:00:00Z');
const inMs = (ms: number): Date => new Date(now.getTime() + ms);

const rows: readonly (Partial<ResyncInputs> & { readonly what: string; readonly expectedMs: number })[] = [
  { what: 'nothing is due', expectedMs: 60_000 },
  { what: 'nothing is due, from files', isFromFiles: true, expectedMs: 10_000 },
  { what: 'the next step is near', until: inMs(1_234), expectedMs: 1_234 },
  { what: 'the next step is just nearer than a resync', until: inMs(59_999), expectedMs: 59_999 },
  { what: 'the next step is just further than a resync', until: inMs(60_001), expectedMs: 60_000 },
  { what: 'the next step is years away', until: inMs(1e11), expectedMs: 60_000 },
  {
    what: 'the next step is further than a resync of files',
    until: inMs(30_000),
    isFromFiles: true,
    expectedMs: 10_000,
  },
  { what: 'the next step is due now', until: now, expectedMs: 100 },
  { what: 'the next step is nearer than a tenth of a second', until: inMs(99), expectedMs: 100 },
  { what: 'the next step was due long ago', until: inMs(-1e9), expectedMs: 100 },
  { what: 'one look has failed', failures: 1, expectedMs: 250 },
  { what: 'two looks have failed', failures: 2, expectedMs: 500 },
  { what: 'eight looks have failed', failures: 8, expectedMs: 32_000 },
  { what: 'nine looks have failed', failures: 9, expectedMs: 60_000 },
  { what: 'looks have failed for days', failures: 5_000, expectedMs: 60_000 },
  { what: 'looks at files have failed', failures: 7, isFromFiles: true, expectedMs: 10_000 },
  { what: 'a look has failed and a step is due', failures: 3, until: now, expectedMs: 1_000 },
];

describe('the next look', () => {
  for (const { what, expectedMs, ...outlook } of rows) {
    test(`comes in ${expectedMs} ms where ${what}`, () => {
      assert.equal(nextResyncMs({ until: undefined, now, failures: 0, isFromFiles: false, ...outlook }), expectedMs);
    });
  }
});
