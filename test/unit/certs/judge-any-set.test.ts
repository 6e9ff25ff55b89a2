import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CertificateSet } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { judge } from '../../../src/certs/judge.ts';
import { joinCertificates, type Pem } from '../../../src/encodings.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
} from '../../support/a-certificate-set.ts';
import { hasExtension } from '../../support/a-damaged-set.ts';
import { altered } from '../../support/altered.ts';
import { opensslAuthority } from '../../support/openssl.ts';

const DAY_MS = 24 * 3_600_000;
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * DAY_MS);

const options = certificateOptions({ caLifetimeMs: 900 * DAY_MS, servingLifetimeMs: 90 * DAY_MS });
const set = await aCertificateSet({ options });
const other = await aCertificateSet({ options, nth: 2 });
const ec = await opensslAuthority('ec');
const rsaPss = await opensslAuthority('rsa-pss');
/** What openssl issues begins to be valid on the day of the test. */
const today = new Date();

describe('a set that is kept', () => {
  test('is kept until its serving certificate is due', () => {
    assert.deepEqual(judge(set, options, { now: after(10) }), { action: 'keep', until: after(60) });
  });

  test('is kept until its CA is due where that comes first', async () => {
    const late = { ...set, serving: await issueServingCertificate(options, set.ca, after(590)) };
    assert.deepEqual(judge(late, options, { now: after(591) }), { action: 'keep', until: after(600) });
  });

  test('is judged whatever else is in its bundle', () => {
    const withOthers = { ...set, caBundle: joinCertificates([set.caBundle, ec.certificate, other.caBundle]) };
    assert.equal(judge(withOthers, options, { now: ISSUED_AT }).action, 'keep');
  });
});

describe('a set of any content', () => {
  test('is judged without an error, and no damaged part is kept', () => {
    const parts = [set, other, { ca: ec, serving: rsaPss }].flatMap(({ ca, serving }) =>
      [ca, serving].flatMap(({ certificate, privateKey }) => [certificate, privateKey]),
    );
    const cut = fc
      .tuple(fc.constantFrom(...parts), fc.nat(2000), fc.string())
      .map(([part, at, junk]) => part.slice(0, at) + junk + part.slice(at + 1));
    const part = fc.oneof(fc.constantFrom(...parts), cut, fc.string(), fc.constant('')).map((text) => text as Pem);
    const pair = fc.record({ certificate: part, privateKey: part });
    const moment = fc.date({ noInvalidDate: true });
    fc.assert(
      fc.property(fc.record({ ca: pair, caBundle: part, serving: pair }), moment, (any, now) => {
        const isWhole = [set, other].some(
          (whole) => samePair(any.ca, whole.ca) && samePair(any.serving, whole.serving),
        );
        assert.ok(judge(any, options, { now }).action !== 'keep' || isWhole);
      }),
      { numRuns: 300 },
    );
  });

  test('is replaced where its CA has an RSA-PSS key, which the daemon cannot sign with', () => {
    const verdict = judge({ ...set, ca: rsaPss }, options, { now: today });
    assert.deepEqual(verdict, { action: 'replace', reason: 'weak-key' });
  });
});

describe('the authorities of a bundle that can still verify something', () => {
  const usable = (...certificates: string[]) => usableAuthorities(joinCertificates(certificates), options, after(10));

  test('are those of our names that are valid, in the order of the bundle', () => {
    const [first, second] = [other.ca.certificate, set.ca.certificate];
    assert.deepEqual(usable(first, second), [first, second]);
  });

  test('are none in an empty bundle', () => {
    assert.deepEqual(usable(), []);
  });

  test('do not include one that has expired or is not yet valid', async () => {
    const expired = await aCertificateAuthority({ options: { ...options, caLifetimeMs: 10 * DAY_MS } });
    const future = await aCertificateAuthority({ options, issuedAt: after(11) });
    assert.deepEqual(usable(expired.certificate, future.certificate, set.ca.certificate), [set.ca.certificate]);
  });

  test('do not include one for other names, or for any', async () => {
    const foreign = await aCertificateAuthority({ options: { names: { dns: ['other.ops.svc'], ip: [] } } });
    const any = altered(set.ca, { change: hasExtension('nameConstraints', undefined) });
    assert.deepEqual(usable(foreign.certificate, any.certificate, set.ca.certificate), [set.ca.certificate]);
  });

  test('do not include what is no CA, or a block that cannot be read', () => {
    const demoted = altered(set.ca, { change: hasExtension('basicConstraints', { cA: false, critical: true }) });
    assert.deepEqual(usable(demoted.certificate, set.ca.certificate), [set.ca.certificate]);
    const unreadable = set.serving.certificate.replace(/\n.{20}/, `\n${'A'.repeat(20)}`);
    assert.deepEqual(usable(set.serving.certificate, unreadable, set.ca.certificate), [set.ca.certificate]);
  });

  test('do not include one with a key of another kind', () => {
    for (const { certificate } of [ec, rsaPss]) {
      const bundle = joinCertificates([certificate, set.ca.certificate]);
      assert.doesNotThrow(() => usableAuthorities(bundle, options, today));
      assert.equal(usableAuthorities(bundle, options, today).includes(certificate), false);
    }
  });
});

const samePair = (one: CertificateSet['ca'], two: CertificateSet['ca']): boolean =>
  one.certificate.trim() === two.certificate.trim() && one.privateKey.trim() === two.privateKey.trim();
