import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { secretSource } from '../../../src/operator/certificate-source.ts';
import { createReport } from '../../../src/operator/report.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../../support/builders/a-certificate-set.ts';
import { createFakeSecretStore } from '../../support/fakes/fake-secret-store.ts';

const small = { keySize: 1024 };
const certificates = certificateOptions(small);
const set = await aCertificateSet({ options: small });
const other = await aCertificateSet({ options: small, nth: 2 });

/** The reasons of the Events that a look tells, at a rotation that another replica began so many ms later than the look. */
async function reasonsOf(aheadMs: number): Promise<string[]> {
  const reasons: string[] = [];
  const quiet = () => {};
  const report = createReport({
    log: { error: quiet, warn: quiet, info: quiet, debug: quiet },
    metrics: createMetrics('test'),
    events: { tell: ({ reason }) => void reasons.push(reason) },
  });
  const phaseSince = new Date(ISSUED_AT.getTime() + aheadMs);
  const begun = {
    ...set,
    nextCa: other.ca,
    caBundle: set.caBundle + other.ca.certificate,
    phase: 'settling',
    phaseSince,
  };
  const store = createFakeSecretStore(stored(begun as typeof set));
  const source = secretSource(store, { certificates }, { report, permit: () => undefined });
  await source({ now: ISSUED_AT, liveBundle: begun.caBundle as typeof set.caBundle, seen: () => 0 });
  return reasons;
}

describe('a rotation that another replica has begun', () => {
  it('tells nothing of clocks where it began while this one looked', async () => {
    assert.equal((await reasonsOf(4_000)).includes('clocks-differ'), false);
  });

  it('tells of clocks that differ where it begins later than that', async () => {
    assert.ok((await reasonsOf(6_000)).includes('clocks-differ'));
  });
});
