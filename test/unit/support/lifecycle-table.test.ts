import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdmissionOutcome, AdmissionRequest } from '../../support/chaos/admission-outcomes.ts';
import { lifecycleRow, lifecycleTable } from '../../support/chaos/lifecycle-table.ts';

const at = (ms: number) => new Date(Date.parse('2026-03-01T12:00:00Z') + ms);

const aRequest = (sent: number, answered: number, outcome: AdmissionOutcome): AdmissionRequest => ({
  name: 'apply',
  sentAt: at(sent),
  answeredAt: at(answered),
  outcome,
  via: 0,
  detail: '',
});

test('a row of the lifecycle table counts each failed request once', () => {
  const requests = [
    aRequest(0, 20, 'lost'),
    aRequest(0, 30, 'unmutated'),
    aRequest(100, 110, 'unmutated'),
    aRequest(200, 210, 'lost'),
    aRequest(300, 310, 'mutated'),
  ];
  assert.deepEqual(
    lifecycleRow({ scenario: 'killed', requests, since: at(10), kills: [{ from: at(10), to: at(15) }] }),
    {
      scenario: 'killed',
      sent: 5,
      lost: 1,
      unmutated: 1,
      inFlightAtKill: 2,
      healedMs: 300,
    },
  );
});

test('the lifecycle table has one line for each row, with names aligned left and numbers right', () => {
  const quiet = { scenario: 'renewed', sent: 1200, lost: 0, unmutated: 0, inFlightAtKill: 0, healedMs: 0 };
  const text = lifecycleTable([
    quiet,
    { ...quiet, scenario: 'certificate authority deleted', unmutated: 7, healedMs: Number.POSITIVE_INFINITY },
  ]);
  assert.deepEqual(text.split('\n'), [
    'scenario                       sent  lost  unmutated  inFlightAtKill  healedMs',
    'renewed                        1200     0          0               0         0',
    'certificate authority deleted  1200     0          7               0     never',
    '',
  ]);
});
