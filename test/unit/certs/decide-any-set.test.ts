import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import { type CertificateSet, phases } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
} from '../../support/builders/a-certificate-set.ts';
import { opensslAuthority } from '../../support/cluster/openssl.ts';

const DAY_MS = 24 * 3_600_000;
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * DAY_MS);

const options = certificateOptions({ caLifetimeMs: 900 * DAY_MS, servingLifetimeMs: 90 * DAY_MS });
const { decide } = createCertificateLogic(options);
const set = await aCertificateSet({ options });
const other = await aCertificateSet({ options, nth: 2 });
const ec = await opensslAuthority('ec');
const rsaPss = await opensslAuthority('rsa-pss');
/** openssl sets notBefore to the time of the test. */
const today = new Date();

describe('the time until which a certificate set is kept', () => {
  test('decide() keeps a healthy certificate set until the renewal of its serving certificate is due', () => {
    assert.deepEqual(decide(set, { now: after(10) }), { action: 'keep', until: after(60) });
  });

  test('decide() keeps a healthy certificate set until the CA rotation is due, if that comes before the renewal of the serving certificate', async () => {
    const late = { ...set, serving: await issueServingCertificate(options, set.ca, after(590)) };
    assert.deepEqual(decide(late, { now: after(591) }), { action: 'keep', until: after(600) });
  });

  test('decide() keeps a rotating certificate set until the next step of the rotation is due, if this is before the renewal', () => {
    const retiring = { ...set, phase: 'retiring', phaseSince: after(10) } as const;
    const end = new Date(after(10).getTime() + options.settleMs);
    assert.deepEqual(decide(retiring, { now: after(10) }), { action: 'keep', until: end });
  });

  test('if the due time of the CA is past during a CA rotation, decide() keeps the certificate set until the next step or the renewal is due', async () => {
    const now = after(601);
    const late = { ...set, serving: await issueServingCertificate(options, set.ca, now) };
    const next = await aCertificateAuthority({ options, nth: 3, issuedAt: now });
    const caBundle = joinCertificates([set.caBundle, next.certificate]);
    const settling = { ...late, nextCa: next, caBundle, phase: 'settling', phaseSince: now } as const;
    const end = new Date(now.getTime() + options.settleMs);
    assert.deepEqual(decide(settling, { now, liveBundle: caBundle }), { action: 'keep', until: end });
    const servingDue = new Date(now.getTime() + 60 * DAY_MS);
    const publishing = { ...settling, phase: 'publishing' } as const;
    assert.deepEqual(decide(publishing, { now }), { action: 'keep', until: servingDue });
  });
});

describe('decisions about arbitrary certificate sets', () => {
  test('decide() does not throw for arbitrary certificate sets, and keeps none with a damaged certificate or key', () => {
    const parts = [set, other, { ca: ec, serving: rsaPss }].flatMap(({ ca, serving }) =>
      [ca, serving].flatMap(({ certificate, privateKey }) => [certificate, privateKey]),
    );
    const cut = fc
      .tuple(fc.constantFrom(...parts), fc.nat(2000), fc.string())
      .map(([part, at, junk]) => part.slice(0, at) + junk + part.slice(at + 1));
    const part = fc.oneof(fc.constantFrom(...parts), cut, fc.string(), fc.constant('')).map((text) => text as Pem);
    const pair = fc.record({ certificate: part, privateKey: part });
    const moment = fc.date({ noInvalidDate: true });
    const anySet = fc.record({
      ca: pair,
      caBundle: part,
      serving: pair,
      nextCa: fc.option(pair, { nil: undefined }),
      former: fc.option(pair, { nil: undefined }),
      phase: fc.constantFrom(...phases),
      phaseSince: fc.option(moment, { nil: undefined }),
    });
    const situation = fc.record({
      now: moment,
      liveBundle: fc.option(part, { nil: undefined }),
      presented: fc.option(part, { nil: undefined }),
      presentedKey: fc.option(part, { nil: undefined }),
    });
    fc.assert(
      fc.property(anySet, situation, (any, around) => {
        const isWhole = [set, other].some(
          (whole) => samePair(any.ca, whole.ca) && samePair(any.serving, whole.serving),
        );
        assert.ok(decide(any, around).action !== 'keep' || isWhole);
      }),
      { numRuns: 300 },
    );
  });

  test('decide() replaces a certificate set whose CA has an RSA-PSS key, with which the daemon cannot sign', () => {
    const decision = decide({ ...set, ca: rsaPss }, { now: today });
    assert.deepEqual(decision, { action: 'replace', reason: 'weak-key' });
  });
});

const samePair = (one: CertificateSet['ca'], two: CertificateSet['ca']): boolean =>
  one.certificate.trim() === two.certificate.trim() && one.privateKey.trim() === two.privateKey.trim();
