import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { isIssuedFor, isOfOurKind } from '../../../src/certs/certificate-profile.ts';
import { isConstrainedTo } from '../../../src/certs/name-constraints.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions } from '../../support/builders/a-certificate-set.ts';
import { hasExtension, isForNames } from '../../support/builders/a-damaged-set.ts';
import { altered } from '../../support/builders/altered.ts';

const { names } = certificateOptions();
const byAddress = { dns: [], ip: ['127.0.0.1', '::1'] };
const set = await aCertificateSet();
const ofAddresses = await aCertificateSet({ options: { names: byAddress } });
const byAddresses = new X509Certificate(ofAddresses.serving.certificate);
const junk = 'junk' as Pem;

describe('comparison of certificates with the configured names', () => {
  test('isIssuedFor accepts a serving certificate for exactly the configured names, in any order of DNS names and any notation of IP addresses', () => {
    const certificate = new X509Certificate(set.serving.certificate);
    assert.equal(isIssuedFor(certificate, names), true);
    assert.equal(isIssuedFor(certificate, { ...names, dns: names.dns.toReversed() }), true);
    assert.equal(isIssuedFor(byAddresses, { dns: [], ip: ['0:0:0:0:0:0:0:1', '127.0.0.1'] }), true);
  });

  test('isIssuedFor refuses a serving certificate with one name more, less or changed', () => {
    const certificate = new X509Certificate(set.serving.certificate);
    for (const dns of [names.dns.slice(1), [...names.dns, 'x.y'], ['x.y', ...names.dns.slice(1)]]) {
      assert.equal(isIssuedFor(certificate, { dns, ip: [] }), false);
    }
    assert.equal(isIssuedFor(byAddresses, { dns: [], ip: ['127.0.0.1', '::2'] }), false);
  });

  test('isIssuedFor refuses a serving certificate with a wildcard, because the daemon issues none', () => {
    const wildcard = ['*.vela-system.svc', ...names.dns.slice(1)];
    const { certificate } = altered(set.serving, { signer: set.ca, change: isForNames(wildcard) });
    assert.equal(isIssuedFor(new X509Certificate(certificate), names), false);
  });
});

test('isConstrainedTo accepts only the names that the CA was issued for', () => {
  assert.equal(isConstrainedTo(set.ca.certificate, names), true);
  assert.equal(isConstrainedTo(ofAddresses.ca.certificate, byAddress), true);
  assert.equal(isConstrainedTo(set.ca.certificate, byAddress), false);
  assert.equal(isConstrainedTo(set.ca.certificate, { ...names, dns: names.dns.slice(1) }), false);
  for (const pem of [set.serving.certificate, junk]) assert.equal(isConstrainedTo(pem, names), false);
});

test('a certificate with a further extension does not have the profile of the daemon', () => {
  for (const { certificate } of [set.ca, set.serving]) assert.equal(isOfOurKind(certificate), true);
  const { certificate } = altered(set.serving, {
    signer: set.ca,
    change: hasExtension('nsComment', { comment: 'x' }),
  });
  for (const pem of [certificate, junk]) assert.equal(isOfOurKind(pem), false);
});
