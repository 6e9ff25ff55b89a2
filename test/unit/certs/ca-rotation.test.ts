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

describe('the end of the wait of a CA rotation', () => {
  const end = after(90_000);
  const waits = {
    'without an end in the phase stable': [step('stable', 1e9), undefined],
    'without an end in the phase publishing while the live bundle lacks a CA': [
      step('publishing', 1e9, { isBack: false }),
      undefined,
    ],
    'until the settle time is over in the phase settling': [step('settling', 1), end],
    'until the settle time is over in the phase retiring': [step('retiring', 1), end],
    'until the settle time is over in the phase retiring, even if the live bundle lacks a CA': [
      step('retiring', 1, { isBack: false }),
      end,
    ],
  } as const;
  for (const [what, [found, until]] of Object.entries(waits)) {
    test(`nextRotationStep waits ${what}`, () => {
      assert.deepEqual(found, until === undefined ? { action: 'wait' } : { action: 'wait', until });
    });
  }
});

test('when the settle time of a phase is over, the CA rotation takes the step into the next phase', () => {
  const actions = phases.map((phase) => step(phase, 90_000).action);
  assert.deepEqual(actions, ['wait', 'settle', 'switch', 'retire']);
});

test('in the phase settling, a CA that was removed from the live bundle is published again', () => {
  for (const ms of [1, 90_000, 1e9]) assert.deepEqual(step('settling', ms, { isBack: false }), { action: 'publish' });
});

test('a step of a CA rotation waits until the settle time has passed both since the phase-since annotation and on the clock of this process', () => {
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
