import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextRotationStep } from '../../../src/certs/ca-rotation.ts';
import { type Phase, phases } from '../../../src/certs/certificate-set.ts';
import { joinCertificates } from '../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT } from '../../support/builders/a-certificate-set.ts';

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const options = certificateOptions({ settleMs: 90_000 });
const caBundle = joinCertificates([set.caBundle, other.caBundle]);
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);

const step = (phase: Phase, ms: number, { isBack = true, since = ISSUED_AT as Date | undefined } = {}) =>
  nextRotationStep({ ...set, caBundle, phase, phaseSince: since }, options, {
    now: after(ms),
    liveBundle: isBack ? caBundle : set.caBundle,
  });

describe('a rotation waits', () => {
  const end = after(90_000);
  const waits = {
    'without an end while nothing is under way': [step('stable', 1e9), undefined],
    'without an end for the live bundle, while it publishes': [step('publishing', 1e9, { isBack: false }), undefined],
    'until the settle time is over, while it settles': [step('settling', 1), end],
    'until the settle time is over, while it retires': [step('retiring', 1), end],
    'until the settle time is over, also where the live bundle is another one': [
      step('retiring', 1, { isBack: false }),
      end,
    ],
  } as const;
  for (const [what, [found, until]] of Object.entries(waits)) {
    test(what, () => {
      assert.deepEqual(found, until === undefined ? { action: 'wait' } : { action: 'wait', until });
    });
  }
});

test('a rotation takes one step in each phase, once its time is over, and then the next phase begins', () => {
  const actions = phases.map((phase) => step(phase, 90_000).action);
  assert.deepEqual(actions, ['wait', 'settle', 'switch', 'retire']);
});

test('a rotation publishes again what was taken out of the live bundle while it settles, however long it has', () => {
  for (const ms of [1, 90_000, 1e9]) assert.deepEqual(step('settling', ms, { isBack: false }), { action: 'publish' });
});

test('a rotation waits for both clocks: the one that has written its beginning, and that of the process', () => {
  const wait = (ms: number, phaseSeenMs: number, since: Date) =>
    nextRotationStep({ ...set, caBundle, phase: 'retiring', phaseSince: since }, options, {
      now: after(ms),
      phaseSeenMs,
    });
  assert.deepEqual(wait(90_000, 30_000, ISSUED_AT), { action: 'wait', until: after(150_000) });
  assert.deepEqual(wait(30_000, 90_000, ISSUED_AT), { action: 'wait', until: after(90_000) });
  assert.deepEqual(wait(0, 30_000, after(1e9)), { action: 'wait', until: after(60_000) });
  assert.deepEqual(wait(0, 90_000, after(1e9)), { action: 'retire' });
});
