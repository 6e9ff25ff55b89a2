import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  askedName,
  issuedAt,
  isTrusted,
  renewalMoment,
  replacementMoment,
  servingProblem,
  validityProblem,
} from '../../../src/certs/x509.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
  SERVER_NAME,
} from '../../support/builders/a-certificate-set.ts';
import { both, type Change, hasExtension, isCalled, isForNames } from '../../support/builders/a-damaged-set.ts';
import { altered } from '../../support/builders/altered.ts';

const DAY_MS = 24 * 3_600_000;
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * DAY_MS);

const set = await aCertificateSet({ options: { servingLifetimeMs: 90 * DAY_MS } });
const other = await aCertificateSet({ nth: 2 });
const serving = new X509Certificate(set.serving.certificate);
const { names } = certificateOptions();

describe('the dates of a certificate', () => {
  test('the issue of a certificate is one hour after notBefore, and its renewal at two thirds of its lifetime', () => {
    assert.deepEqual(issuedAt(serving), ISSUED_AT);
    assert.deepEqual(renewalMoment(serving), after(60));
  });

  test('the renewal of a user-provided certificate is due when a tenth of its lifetime is left, at most two weeks', () => {
    const leftDays = ({ validToDate, ...dates }: Pick<X509Certificate, 'validFromDate' | 'validToDate'>) => {
      const moment = replacementMoment({ ...dates, validToDate } as X509Certificate);
      return (validToDate.getTime() - moment.getTime()) / 86_400_000;
    };
    const valid = (days: number) => ({ validFromDate: ISSUED_AT, validToDate: after(days) });
    assert.deepEqual([1, 90, 140, 3650].map(valid).map(leftDays), [0.1, 9, 14, 14]);
  });

  test('a certificate is valid at notBefore and invalid at notAfter', () => {
    const { validFromDate: from, validToDate: to } = serving;
    assert.equal(validityProblem(serving, new Date(from.getTime() - 1)), 'not-yet-valid');
    assert.equal(validityProblem(serving, from), undefined);
    assert.equal(validityProblem(serving, new Date(to.getTime() - 1)), undefined);
    assert.equal(validityProblem(serving, to), 'expired');
  });
});

describe('a serving certificate', () => {
  const changed = (change: Change): X509Certificate => {
    const { certificate } = altered(set.serving, { signer: set.ca, change });
    return new X509Certificate(certificate);
  };

  test('a serving certificate needs only the first DNS name, which the API server verifies', () => {
    for (const name of names.dns) assert.equal(servingProblem(serving, { dns: [name], ip: [] }), undefined, name);
    assert.equal(servingProblem(serving, { dns: [SERVER_NAME, 'other.ops.svc'], ip: ['127.0.0.1'] }), undefined);
    assert.equal(servingProblem(serving, { dns: ['other.ops.svc', SERVER_NAME], ip: [] }), 'missing-name');
    assert.equal(servingProblem(serving, { dns: [], ip: ['127.0.0.1'] }), 'missing-name');
  });

  test('a serving certificate is valid for its IP address in any notation', async () => {
    const byAddress = await aCertificateSet({ options: { names: { dns: [], ip: ['127.0.0.1', '::1'] } } });
    const certificate = new X509Certificate(byAddress.serving.certificate);
    const problem = (address: string) => servingProblem(certificate, { dns: [], ip: [address] });
    assert.deepEqual(['127.0.0.1', '::1', '0:0:0:0:0:0:0:1'].map(problem), [undefined, undefined, undefined]);
    assert.deepEqual(['::2', 'not an address'].map(problem), ['missing-name', 'missing-name']);
  });

  test('a serving certificate is valid for names that its wildcard covers', () => {
    const wildcard = changed(isForNames(['*.vela-system.svc']));
    assert.equal(servingProblem(wildcard, { dns: [SERVER_NAME], ip: [] }), undefined);
    assert.equal(servingProblem(wildcard, { dns: ['vela-system.svc'], ip: [] }), 'missing-name');
  });

  test('a serving certificate is not valid for the common name of its subject', () => {
    const { certificate } = altered(set.serving, {
      signer: set.ca,
      change: both(isCalled(SERVER_NAME), hasExtension('subjectAltName', undefined)),
    });
    assert.equal(servingProblem(new X509Certificate(certificate), { dns: [SERVER_NAME], ip: [] }), 'missing-name');
  });

  test('a serving certificate without extended key usage is accepted; one with client authentication only is refused', () => {
    assert.equal(servingProblem(changed(hasExtension('extKeyUsage', undefined)), names), undefined);
    assert.equal(servingProblem(changed(hasExtension('extKeyUsage', { clientAuth: true })), names), 'wrong-usage');
  });

  test('a serving certificate can be a CA, as openssl req -x509 creates it and Go accepts it', () => {
    const ca = changed(hasExtension('basicConstraints', { cA: true, critical: true }));
    assert.equal(servingProblem(ca, names), undefined);
  });
});

test('askedName returns the name that the API server verifies: the first DNS name, or the first IP address if there is no DNS name', () => {
  assert.deepEqual(askedName({ dns: ['a', 'b'], ip: [] }), { dns: ['a'], ip: [] });
  assert.deepEqual(askedName({ dns: ['a', 'b'], ip: ['::1'] }), { dns: ['a'], ip: [] });
  assert.deepEqual(askedName({ dns: [], ip: ['::1', '127.0.0.1'] }), { dns: [], ip: ['::1'] });
});

describe('the verification of a serving certificate with a bundle', () => {
  const trusts = (bundle: readonly string[], now = ISSUED_AT) => isTrusted([serving], bundle as readonly Pem[], now);

  test('a certificate is trusted if its issuer is anywhere in the bundle', () => {
    assert.ok(trusts([set.ca.certificate]));
    assert.ok(trusts([other.ca.certificate, 'junk', set.ca.certificate]));
  });

  test('a certificate is not trusted by another CA with the same subject or an empty bundle', () => {
    assert.equal(trusts([other.ca.certificate]), false);
    assert.equal(trusts([]), false);
  });

  test('a certificate is not trusted by a CA with the same subject and key identifier but another key', () => {
    const impostor = altered(set.ca, { privateKey: other.ca.privateKey });
    assert.equal(trusts([impostor.certificate]), false);
  });

  test('a certificate is not trusted by a CA with the same key but another subject', () => {
    const renamed = altered(set.ca, {
      change: both(isCalled('other'), (one) => one.setIssuer(one.subject.attributes)),
    });
    assert.equal(trusts([renamed.certificate]), false);
  });

  test('a certificate is not trusted by an expired CA', async () => {
    const { ca, serving: late } = await aCertificateSet({ options: { caLifetimeMs: 10 * DAY_MS } });
    const certificate = new X509Certificate(late.certificate);
    assert.ok(isTrusted([certificate], [ca.certificate], new Date(after(10).getTime() - 1)));
    assert.equal(isTrusted([certificate], [ca.certificate], after(10)), false);
  });

  test('a certificate is not trusted by a non-CA certificate with the same key', () => {
    const demoted = altered(set.ca, {
      change: hasExtension('basicConstraints', { cA: false, critical: true }),
    });
    assert.equal(trusts([demoted.certificate]), false);
  });

  test('a certificate is trusted if the bundle has the certificate itself', () => {
    assert.ok(trusts([set.serving.certificate]));
  });
});

describe('the verification through intermediate CAs', async () => {
  const root = await aCertificateAuthority({ nth: 3 });
  const signedAs = (commonName: string) => ({ signer: root, change: isCalled(commonName) });
  const intermediate = altered(set.ca, signedAs('intermediate'));
  const leaf = new X509Certificate(altered(set.serving, { signer: intermediate }).certificate);
  const between = new X509Certificate(intermediate.certificate);
  const bystander = new X509Certificate(altered(other.ca, signedAs('bystander')).certificate);

  test('a certificate is trusted through an intermediate CA, even with unrelated certificates in the chain', () => {
    assert.ok(isTrusted([leaf, bystander, between], [root.certificate], ISSUED_AT));
  });

  test('a certificate is trusted through several intermediate CAs in any order', () => {
    const lower = altered(other.ca, { signer: intermediate, change: isCalled('lower') });
    const below = new X509Certificate(lower.certificate);
    const lowest = new X509Certificate(altered(other.serving, { signer: lower }).certificate);
    assert.ok(isTrusted([lowest, below, between], [root.certificate], ISSUED_AT));
    assert.ok(isTrusted([lowest, between, below], [root.certificate], ISSUED_AT));
  });

  test('a certificate is not trusted if an intermediate CA is missing', () => {
    assert.equal(isTrusted([leaf], [root.certificate], ISSUED_AT), false);
    assert.equal(isTrusted([leaf, bystander], [root.certificate], ISSUED_AT), false);
  });

  test('a certificate is not trusted if the last issuer of its chain is not in the bundle', () => {
    assert.equal(isTrusted([leaf, between], [other.ca.certificate], ISSUED_AT), false);
  });

  test('a certificate is trusted if an intermediate CA is in the bundle', () => {
    assert.ok(isTrusted([leaf], [intermediate.certificate], ISSUED_AT));
  });

  test('the verification of CAs that sign each other terminates', () => {
    const first = altered(set.ca, { signer: other.ca });
    const second = altered(other.ca, { signer: set.ca });
    const circle = [first, second].map(({ certificate }) => new X509Certificate(certificate));
    assert.equal(isTrusted([serving, ...circle], [root.certificate], ISSUED_AT), false);
  });
});
