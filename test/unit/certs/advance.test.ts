import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import type { SetStep } from '../../../src/certs/advance.ts';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import type { CertificatePair, CertificateSet } from '../../../src/certs/certificate-set.ts';
import { joinCertificates, type Pem, splitCertificates } from '../../../src/lib/pem.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
} from '../../support/builders/a-certificate-set.ts';

const small = { keySize: 1024 };
const options = certificateOptions(small);
const logic = createCertificateLogic(options);
const set = await aCertificateSet({ options: small });
const other = await aCertificateSet({ options: small, nth: 2 });
const next = await aCertificateAuthority({ options: small, nth: 3 });
const third = await aCertificateAuthority({ options: small, nth: 4 });
const foreign = await aCertificateAuthority({ options: { ...small, names: { dns: ['other.ops.svc'], ip: [] } } });
const now = new Date(ISSUED_AT.getTime() + 3_600_000);

const own = set.ca.certificate;
const bundleOf = (...pems: readonly Pem[]) => joinCertificates(pems);
const announced: CertificateSet = {
  ...set,
  nextCa: next,
  caBundle: bundleOf(own, next.certificate, other.ca.certificate),
  phase: 'settling',
  phaseSince: ISSUED_AT,
};

const take = (before: CertificateSet, step: SetStep, liveBundle?: Pem) =>
  logic.advance(before, step, { now, liveBundle });
const bundle = ({ caBundle }: CertificateSet) => splitCertificates(caBundle);
const signed = (ca: CertificatePair, { certificate }: CertificatePair): boolean =>
  new X509Certificate(certificate).verify(new X509Certificate(ca.certificate).publicKey);

describe('a step of a CA rotation or repair', () => {
  for (const [what, before] of Object.entries({ 'a stable set': set, 'a rotation': announced })) {
    test(`the step renew with ${what} changes only the serving certificate`, async () => {
      const after = await take(before, { action: 'renew', reason: 'expired' });
      assert.deepEqual({ ...after, serving: before.serving }, before);
      assert.notEqual(after.serving.certificate, before.serving.certificate);
      assert.ok(signed(before.ca, after.serving));
    });
  }

  test('the step announce adds a next CA to the certificate set and to the end of the CA bundle, starts the phase publishing, and changes nothing else', async () => {
    const after = await take(set, { action: 'announce', reason: 'asked' }, bundleOf(own));
    const { nextCa } = after;
    assert.ok(nextCa && signed(nextCa, nextCa));
    assert.notEqual(nextCa.certificate, own);
    const caBundle = bundleOf(own, nextCa.certificate);
    assert.deepEqual(after, { ...set, nextCa, caBundle, phase: 'publishing', phaseSince: now });
  });

  test('the step announce replaces a lost next CA, keeps all CAs of the CA bundle that are still trusted, and starts the phase publishing again', async () => {
    const after = await take(announced, { action: 'announce', reason: 'ca-lost' });
    const { nextCa } = after;
    assert.notEqual(nextCa?.certificate, next.certificate);
    assert.deepEqual(bundle(after), [own, nextCa?.certificate, next.certificate, other.ca.certificate]);
    assert.deepEqual([after.phase, after.phaseSince], ['publishing', now]);
  });

  test('the step adopt adds the CAs of this install in the live CA bundle to the certificate set, and starts the phase publishing', async () => {
    const liveBundle = bundleOf(third.certificate, foreign.certificate, other.ca.certificate, own);
    const after = await take(set, { action: 'adopt', reason: 'swapped' }, liveBundle);
    const caBundle = bundleOf(own, third.certificate, other.ca.certificate);
    assert.deepEqual(after, { ...set, caBundle, phase: 'publishing', phaseSince: now });
  });

  test('the step adopt keeps an announced next CA', async () => {
    const after = await take(announced, { action: 'adopt', reason: 'swapped' }, third.certificate);
    const caBundle = bundleOf(own, next.certificate, other.ca.certificate, third.certificate);
    assert.deepEqual(after, { ...announced, caBundle, phase: 'publishing', phaseSince: now });
  });

  test("the step repair keeps only the daemon's own CAs in the bundle, each once, and does not change the phase", async () => {
    const text = [foreign.certificate, other.ca.certificate, own, 'junk', own, next.certificate].join('') as Pem;
    const after = await take({ ...announced, caBundle: text }, { action: 'repair', reason: 'foreign-ca' });
    assert.deepEqual(after, announced);
  });

  test('the step repair adds a missing next CA to the bundle', async () => {
    const after = await take({ ...announced, caBundle: own }, { action: 'repair', reason: 'ca-lost' });
    assert.deepEqual(bundle(after), [own, next.certificate]);
  });

  test('the step repair adds CAs of the live bundle during a rotation, but not to a stable set', async () => {
    const repair: SetStep = { action: 'repair', reason: 'unparsable-bundle' };
    assert.deepEqual(bundle(await take(announced, repair, third.certificate)).at(-1), third.certificate);
    assert.deepEqual(bundle(await take(set, repair, third.certificate)), [own]);
  });

  test('the step settle changes only the phase', async () => {
    const publishing = { ...announced, phase: 'publishing' } as const;
    const after = await take(publishing, { action: 'settle' });
    assert.deepEqual(after, { ...publishing, phase: 'settling', phaseSince: now });
  });

  test('the step switch makes the next CA the signing CA and the first in the bundle, and keeps all other CAs', async () => {
    const after = await take(announced, { action: 'switch' });
    const { serving } = after;
    assert.ok(signed(next, serving));
    assert.deepEqual(after, {
      ca: next,
      nextCa: undefined,
      former: undefined,
      serving,
      caBundle: bundleOf(next.certificate, own, other.ca.certificate),
      phase: 'retiring',
      phaseSince: now,
    });
  });

  test('the step switch without a next CA changes only the phase, because the current CA is new', async () => {
    const inPlace = { ...announced, nextCa: undefined };
    const after = await take(inPlace, { action: 'switch' });
    assert.deepEqual(after, { ...inPlace, phase: 'retiring', phaseSince: now });
  });

  test('the step retire keeps only the current CA in the bundle', async () => {
    const retiring = { ...announced, nextCa: undefined, phase: 'retiring' } as const;
    const after = await take(retiring, { action: 'retire' }, retiring.caBundle);
    assert.deepEqual(after, { ...set, caBundle: own, phase: 'stable', phaseSince: undefined });
  });
});

describe('a certificate set that replaces an unusable one', () => {
  const replace = (before: CertificateSet | undefined, liveBundle?: Pem) => logic.replace(before, { now, liveBundle });

  test('a replacement certificate set is in the phase stable if no CA was trusted before', async () => {
    for (const liveBundle of [undefined, '' as Pem, foreign.certificate]) {
      const after = await replace(undefined, liveBundle);
      assert.ok(signed(after.ca, after.serving));
      assert.deepEqual([after.caBundle, after.nextCa], [after.ca.certificate, undefined]);
      assert.deepEqual([after.phase, after.phaseSince], ['stable', undefined]);
    }
  });

  test('the bundle of a replacement certificate set has its own CA first and then all trusted CAs', async () => {
    const after = await replace(announced, bundleOf(third.certificate, foreign.certificate, own));
    assert.deepEqual(bundle(after), [
      after.ca.certificate,
      own,
      next.certificate,
      other.ca.certificate,
      third.certificate,
    ]);
    assert.deepEqual([after.phase, after.phaseSince, after.nextCa], ['publishing', now, undefined]);
    assert.ok(![own, next.certificate].includes(after.ca.certificate));
  });
});
