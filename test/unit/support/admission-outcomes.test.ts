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

describe('the outcomes of a stream', () => {
  const rows: [name: string, sketches: Sketch[], counts: [number, number, number, number]][] = [
    ['are none without requests', [], [0, 0, 0, 0]],
    [
      'are counted by kind',
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
      'have the longest gap between good answers, in the order of the answers',
      [
        [0, 100],
        [10, 15],
        [20, 260],
        [30, 40],
      ],
      [4, 0, 0, 160],
    ],
    [
      'have a gap before the first good answer',
      [
        [0, 5, 'lost'],
        [70, 75],
        [80, 85],
      ],
      [3, 1, 0, 75],
    ],
    [
      'have a gap after the last good answer',
      [
        [0, 5],
        [10, 90, 'lost'],
      ],
      [2, 1, 0, 85],
    ],
    [
      'are one gap where no answer is good',
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

  test('requests of hours are counted, more than a call can have arguments', () => {
    const requests = requestsOf(Array.from({ length: 400_000 }, (_, nth) => [nth * 20, nth * 20 + 5]));
    assert.deepEqual(countOutcomes(requests), { sent: 400_000, lost: 0, unmutated: 0, longestGapMs: 20 });
  });
});

describe('a failed request', () => {
  const rows: [name: string, sketch: Sketch, kills: number[], expected: 'in flight' | 'other' | 'none'][] = [
    ['sent before the kill and answered after it was in flight', [0, 20, 'lost'], [10], 'in flight'],
    ['is in flight also where the Job was stored as it was', [0, 20, 'unmutated'], [10], 'in flight'],
    ['answered at the instant of the kill was in flight', [0, 10, 'lost'], [10], 'in flight'],
    ['answered before the kill was not', [0, 9, 'lost'], [10], 'other'],
    ['sent before everybody knows was in flight', [60, 70, 'lost'], [10], 'in flight'],
    ['sent later was not', [61, 70, 'lost'], [10], 'other'],
    ['may be one of any of several kills', [100, 120, 'lost'], [10, 110], 'in flight'],
    ['between two kills is of neither', [70, 80, 'lost'], [10, 110], 'other'],
    ['without a kill has no excuse', [0, 20, 'lost'], [], 'other'],
    ['is none that was answered well', [0, 20, 'mutated'], [10], 'none'],
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

test('a failed request that was sent while the process took its time to die was in flight', () => {
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

describe('Jobs are capped again', () => {
  const rows: [name: string, sketches: Sketch[], since: number, healedMs: number][] = [
    [
      'at once where none has failed',
      [
        [0, 5],
        [10, 15],
      ],
      8,
      0,
    ],
    [
      'at once where they failed only before',
      [
        [0, 5, 'lost'],
        [10, 15],
      ],
      8,
      0,
    ],
    [
      'with the answer of the first good one after the last failed one',
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
      'not with an answer that came after the failure to a request sent before it',
      [
        [10, 60],
        [20, 25, 'lost'],
        [30, 70],
      ],
      8,
      62,
    ],
    [
      'after one that was in flight, too',
      [
        [0, 15, 'lost'],
        [20, 25],
      ],
      8,
      17,
    ],
    [
      'whatever the order of the answers',
      [
        [40, 47],
        [30, 35, 'lost'],
      ],
      8,
      39,
    ],
    [
      'never where nothing good comes any more',
      [
        [0, 5],
        [10, 15, 'lost'],
      ],
      8,
      Number.POSITIVE_INFINITY,
    ],
  ];
  for (const [name, sketches, since, healedMs] of rows) {
    test(name, () => {
      assert.equal(mutatedAgain(requestsOf(sketches), at(since)), healedMs);
    });
  }
});
