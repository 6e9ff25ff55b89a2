import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../../src/cli/config.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { createReconciler } from '../../../src/operator/reconciler.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { desiredRegistration } from '../../../src/registration/desired.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../../support/builders/a-certificate-set.ts';
import { createFakeRegistrationStore } from '../../support/fakes/fake-registration-store.ts';
import { createFakeSecretStore } from '../../support/fakes/fake-secret-store.ts';

const small = { keySize: 1024 };
const certificates = certificateOptions(small);
const set = await aCertificateSet({ options: small });
const other = await aCertificateSet({ options: small, nth: 2 });

/**
 * Runs a pass of one replica. Another replica has begun a rotation phase whose start is `aheadMs` later than the clock
 * of this replica. Returns the reasons of the emitted Events.
 */
async function reasonsOf(aheadMs: number): Promise<string[]> {
  const reasons: string[] = [];
  const quiet = () => {};
  const telemetry = {
    log: { error: quiet, warn: quiet, info: quiet, debug: quiet },
    metrics: createMetrics('test'),
    events: { emit: ({ reason }: { readonly reason: string }) => void reasons.push(reason) },
  };
  const phaseSince = new Date(ISSUED_AT.getTime() + aheadMs);
  const begun = {
    ...set,
    nextCa: other.ca,
    caBundle: set.caBundle + other.ca.certificate,
    phase: 'settling',
    phaseSince,
  };
  const store = createFakeSecretStore(stored(begun as typeof set));
  const config = { ...readConfig({}), certificates };
  const registrations = createFakeRegistrationStore();
  await registrations.apply(
    desiredRegistration(config.registration, { caBundle: begun.caBundle as Pem, matchConditions: [] }),
  );
  const stores = { secrets: store, registrations };
  const policies = { current: () => terraformPolicy };
  const reconciler = createReconciler(config, {
    ...stores,
    ...telemetry,
    policies,
    isLeaseHolder: () => true,
    stillHolds: async () => true,
    now: () => ISSUED_AT,
    uptimeMs: () => 0,
  });
  await reconciler.pass('running', () => {});
  return reasons;
}

describe('the warning about clock skew', () => {
  it('a reconcile emits no clock skew Event if another replica began a rotation phase during it', async () => {
    assert.equal((await reasonsOf(4_000)).includes('clocks-differ'), false);
  });

  it('a reconcile emits a clock skew Event if a rotation phase begins more than 5 s in the future', async () => {
    assert.ok((await reasonsOf(6_000)).includes('clocks-differ'));
  });
});
