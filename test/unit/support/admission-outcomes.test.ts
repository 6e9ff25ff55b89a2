import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AdmissionOutcome,
  type AdmissionRequest,
  countOutcomes,
  mutatedAgain,
  splitAtKill,
} from '../../support/chaos/admission-outcomes.ts';

const START = Date.parse('2026-03-01T12:00:00Z');
const at = (ms: number) => new Date(START + ms);

/** A request as `[sent, answered, outcome]`, with times in ms. Its name is the time at which it was sent. */
type Sketch = readonly [sent: number, answered: number, outcome?: AdmissionOutcome];

const requestsOf = (sketches: readonly Sketch[]): AdmissionRequest[] =>
  sketches.map(([sent, answered, outcome = 'mutated']) => ({
    name: String(sent),
    sentAt: at(sent),
    answeredAt: at(answered),
    outcome,
    via: 0,
    detail: '',
  }));

describe('the counts of an admission stream', () => {
  const rows: [name: string, sketches: Sketch[], counts: [number, number, number, number]][] = [
    ['are none without requests', [], [0, 0, 0, 0]],
    [
      'countOutcomes counts requests by outcome',
      [
        [0, 5],
        [10, 15, 'lost'],
        [20, 25, 'unmutated'],
        [30, 35, 'lost'],
        [40, 45],
      ],
      [5, 2, 1, 40],
    ],
    [
      'countOutcomes returns the longest gap between capped Jobs, in the order of the responses',
      [
        [0, 100],
        [10, 15],
        [20, 260],
        [30, 40],
      ],
      [4, 0, 0, 160],
    ],
    [
      'countOutcomes counts the gap before the first capped Job',
      [
        [0, 5, 'lost'],
        [70, 75],
        [80, 85],
      ],
      [3, 1, 0, 75],
    ],
    [
      'countOutcomes counts the gap after the last capped Job',
      [
        [0, 5],
        [10, 90, 'lost'],
      ],
      [2, 1, 0, 85],
    ],
    [
      'countOutcomes returns the whole time as gap if no Job was capped',
      [
        [0, 5, 'lost'],
        [10, 30, 'unmutated'],
      ],
      [2, 1, 1, 30],
    ],
  ];
  for (const [name, sketches, [sent, lost, unmutated, longestGapMs]] of rows) {
    test(name, () => {
      assert.deepEqual(countOutcomes(requestsOf(sketches)), { sent, lost, unmutated, longestGapMs });
    });
  }

  test('countOutcomes counts 400,000 requests, more than a function call can have arguments', () => {
    const requests = requestsOf(Array.from({ length: 400_000 }, (_, nth) => [nth * 20, nth * 20 + 5]));
    assert.deepEqual(countOutcomes(requests), { sent: 400_000, lost: 0, unmutated: 0, longestGapMs: 20 });
  });
});

describe('failed requests of an admission stream', () => {
  const rows: [name: string, sketch: Sketch, kills: number[], expected: 'in flight' | 'other' | 'none'][] = [
    [
      'a failed request is in flight if it was sent before the kill and answered after it',
      [0, 20, 'lost'],
      [10],
      'in flight',
    ],
    ['a failed request is in flight also if its Job was stored uncapped', [0, 20, 'unmutated'], [10], 'in flight'],
    ['a failed request is in flight if it was answered at the instant of the kill', [0, 10, 'lost'], [10], 'in flight'],
    ['a failed request is not in flight if it was answered before the kill', [0, 9, 'lost'], [10], 'other'],
    [
      'a failed request is in flight if it was sent before callers noticed the kill',
      [60, 70, 'lost'],
      [10],
      'in flight',
    ],
    [
      'a failed request is not in flight if it was sent after callers noticed the kill',
      [61, 70, 'lost'],
      [10],
      'other',
    ],
    [
      'a failed request is in flight if it was sent before any of several kills',
      [100, 120, 'lost'],
      [10, 110],
      'in flight',
    ],
    ['a failed request between two kills is not in flight', [70, 80, 'lost'], [10, 110], 'other'],
    ['a failed request is not in flight if there was no kill', [0, 20, 'lost'], [], 'other'],
    ['a request with a capped Job is not a failed request', [0, 20, 'mutated'], [10], 'none'],
  ];
  for (const [name, sketch, kills, expected] of rows) {
    test(name, () => {
      const { inFlightAtKill, others } = splitAtKill(
        requestsOf([sketch]),
        kills.map((kill) => ({ from: at(kill), to: at(kill + 50) })),
      );
      const counts = { 'in flight': [1, 0], other: [0, 1], none: [0, 0] }[expected];
      assert.deepEqual([inFlightAtKill.length, others.length], counts);
    });
  }
});

test('a failed request counts as in flight if it was sent between the kill signal and the end of the process', () => {
  const requests = requestsOf([
    [300, 320, 'lost'],
    [600, 620, 'lost'],
  ]);
  const { inFlightAtKill, others } = splitAtKill(requests, [{ from: at(10), to: at(400) }]);
  assert.deepEqual(
    [inFlightAtKill, others].map((ones) => ones.map(({ name }) => name)),
    [['300'], ['600']],
  );
});

describe('the time until Jobs are capped again', () => {
  const rows: [name: string, sketches: Sketch[], since: number, healedMs: number][] = [
    [
      'if no request failed',
      [
        [0, 5],
        [10, 15],
      ],
      8,
      0,
    ],
    [
      'if requests failed only before the start',
      [
        [0, 5, 'lost'],
        [10, 15],
      ],
      8,
      0,
    ],
    [
      'up to the response of the first capped Job that was sent after the last failed request',
      [
        [0, 5],
        [10, 15, 'unmutated'],
        [20, 25],
        [30, 35, 'lost'],
        [40, 47],
        [50, 55],
      ],
      8,
      39,
    ],
    [
      'without regard to a capped Job that was sent before the last failed request',
      [
        [10, 60],
        [20, 25, 'lost'],
        [30, 70],
      ],
      8,
      62,
    ],
    [
      'if the failed request was in flight at the start',
      [
        [0, 15, 'lost'],
        [20, 25],
      ],
      8,
      17,
    ],
    [
      'if the requests are not sorted by time',
      [
        [40, 47],
        [30, 35, 'lost'],
      ],
      8,
      39,
    ],
    [
      'if no Job was capped after the last failed request',
      [
        [0, 5],
        [10, 15, 'lost'],
      ],
      8,
      Number.POSITIVE_INFINITY,
    ],
  ];
  for (const [name, sketches, since, healedMs] of rows) {
    test(`mutatedAgain returns ${healedMs} ms as the time until Jobs are capped again, ${name}`, () => {
      assert.equal(mutatedAgain(requestsOf(sketches), at(since)), healedMs);
    });
  }
});
