import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { asPublished, createBundleRules, isPublished } from '../../../src/certs/bundle.ts';
import type { CertificatePair } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
} from '../../support/builders/a-certificate-set.ts';
import { hasExtension } from '../../support/builders/a-damaged-set.ts';
import { altered } from '../../support/builders/altered.ts';
import { opensslAuthority } from '../../support/cluster/openssl.ts';

const DAY_MS = 24 * 3_600_000;
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * DAY_MS);

const options = certificateOptions({ caLifetimeMs: 900 * DAY_MS, servingLifetimeMs: 90 * DAY_MS });
const { bundleProblem, usableAuthorities } = createBundleRules(options);
const set = await aCertificateSet({ options });
const other = await aCertificateSet({ options, nth: 2 });
const ec = await opensslAuthority('ec');
const rsaPss = await opensslAuthority('rsa-pss');
/** openssl sets notBefore to the time of the test. */
const today = new Date();

const authorities = await Promise.all(
  [0, 1, 2, 3, 4].map((days) => aCertificateAuthority({ options, issuedAt: after(days) })),
);

describe('the usable CAs of a bundle', () => {
  const usable = (...certificates: string[]) => usableAuthorities(joinCertificates(certificates), { now: after(10) });

  test('usable CAs of a bundle are the valid CAs for our names, in the order of the bundle', () => {
    const bundle = [other.ca.certificate, set.ca.certificate];
    assert.deepEqual(usable(...bundle), bundle);
  });

  test('of many usable CAs of a bundle only the first four are kept', () => {
    const pems = authorities.map(({ certificate }) => certificate);
    assert.deepEqual(usable(...pems), pems.slice(0, 4));
    assert.deepEqual(usable(...pems.toReversed()), pems.slice(1).reverse());
  });

  test('usable CAs of a bundle include the issuer of the presented certificate, even beyond the first four', async () => {
    const pems = authorities.map(({ certificate }) => certificate);
    const last = authorities.at(-1) as CertificatePair;
    const { certificate: presented } = await issueServingCertificate(options, last, after(5));
    const kept = usableAuthorities(joinCertificates(pems), { now: after(10), presented });
    assert.deepEqual(kept, [...pems.slice(0, 3), last.certificate]);
  });

  test('usable CAs of a bundle exclude a CA of more than 16 KiB, because a few of them would fill the Secret', async () => {
    const named = async (length: number) => {
      const caSubject = [{ type: 'CN' as const, value: 'x'.repeat(length) }];
      return (await aCertificateAuthority({ options: { ...options, caSubject } })).certificate;
    };
    const [small, large] = await Promise.all([named(1_000), named(6_000)]);
    assert.ok(small.length < 16_384 && large.length > 16_384, `${small.length}, ${large.length}`);
    assert.deepEqual(usable(small, large), [small]);
  });

  test('an empty bundle has no usable CAs', () => {
    assert.deepEqual(usable(), []);
  });

  test('usable CAs of a bundle exclude expired and not yet valid CAs', async () => {
    const expired = await aCertificateAuthority({ options: { ...options, caLifetimeMs: 10 * DAY_MS } });
    const future = await aCertificateAuthority({ options, issuedAt: after(11) });
    assert.deepEqual(usable(expired.certificate, future.certificate, set.ca.certificate), [set.ca.certificate]);
  });

  test('CAs without name constraints, and CAs whose name constraints permit only other names, are not usable CAs of a bundle', async () => {
    const foreign = await aCertificateAuthority({ options: { names: { dns: ['other.ops.svc'], ip: [] } } });
    const any = altered(set.ca, { change: hasExtension('nameConstraints', undefined) });
    assert.deepEqual(usable(foreign.certificate, any.certificate, set.ca.certificate), [set.ca.certificate]);
  });

  test('usable CAs of a bundle exclude certificates that are not CAs, and unreadable blocks', () => {
    const demoted = altered(set.ca, { change: hasExtension('basicConstraints', { cA: false, critical: true }) });
    assert.deepEqual(usable(demoted.certificate, set.ca.certificate), [set.ca.certificate]);
    const unreadable = set.serving.certificate.replace(/\n.{20}/, `\n${'A'.repeat(20)}`);
    assert.deepEqual(usable(set.serving.certificate, unreadable, set.ca.certificate), [set.ca.certificate]);
  });

  test('usable CAs of a bundle exclude CAs with another type of key than RSA', () => {
    for (const { certificate } of [ec, rsaPss]) {
      const bundle = joinCertificates([certificate, set.ca.certificate]);
      assert.doesNotThrow(() => usableAuthorities(bundle, { now: today }));
      assert.equal(usableAuthorities(bundle, { now: today }).includes(certificate), false);
    }
  });
});

describe('the CA bundle', () => {
  const own = set.ca.certificate;
  const before = other.ca.certificate;
  const published: Readonly<Record<string, { live: string | undefined; is: boolean }>> = {
    'is undefined': { live: undefined, is: false },
    'is empty': { live: '', is: false },
    'equals the wanted bundle': { live: own + before, is: true },
    'has the wanted CAs in another order': { live: before + own, is: true },
    'has the wanted CAs and others': { live: before + set.serving.certificate + own, is: true },
    'has the wanted CAs with text around them': { live: `# mine\n${own}\n\n${before}`, is: true },
    'lacks the first wanted CA': { live: before, is: false },
    'lacks the second wanted CA': { live: own, is: false },
    'is cut off': { live: own + before.slice(0, -10), is: false },
  };
  for (const [what, { live, is }] of Object.entries(published)) {
    test(`isPublished is ${is} if the live bundle ${what}`, () => {
      assert.equal(isPublished(joinCertificates([own, before]), live as Pem | undefined), is);
    });
  }

  test('asPublished returns the live CA bundle if only its order differs from the wanted CA bundle, and otherwise the wanted CA bundle', () => {
    const wanted = joinCertificates([own, before]);
    const turned = joinCertificates([before, own]);
    assert.equal(asPublished(wanted, turned), turned);
    for (const live of [undefined, own, own + before + own, `# mine\n${turned}`, before + set.serving.certificate]) {
      assert.equal(asPublished(wanted, live as Pem | undefined), wanted);
    }
  });

  test('bundleProblem returns undefined for a CA bundle with the current CA and a next or former CA', () => {
    const written = { ...set, nextCa: other.ca, caBundle: joinCertificates([own, before]) };
    assert.equal(bundleProblem(written, ISSUED_AT), undefined);
    assert.equal(bundleProblem({ ...written, nextCa: undefined }, ISSUED_AT), undefined);
    assert.equal(bundleProblem(set, ISSUED_AT), undefined);
  });

  test('bundleProblem returns undefined if the next CA differs only in white space from its copy in the CA bundle', () => {
    const nextCa = { ...other.ca, certificate: `\n${before.trim()}` as Pem };
    const caBundle = joinCertificates([own, before]);
    assert.equal(bundleProblem({ ...set, nextCa, caBundle }, ISSUED_AT), undefined);
  });
});
