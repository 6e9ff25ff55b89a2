import { X509Certificate } from 'node:crypto';
import { issueServingCertificate } from '../../../../src/certs/issue.ts';
import type { Pem } from '../../../../src/lib/pem.ts';
import { opensslAuthority } from '../../cluster/openssl.ts';
import { aCertificateAuthority, ISSUED_AT } from '../a-certificate-set.ts';
import { both, hasExtension, hasNegativeSerial, isCalled } from '../a-damaged-set.ts';
import {
  after,
  caDue,
  caEnd,
  type DecisionRow,
  empty,
  HOUR_MS,
  half,
  junk,
  options,
  other,
  renewedAt,
  set,
  withAlteredCa,
  withCa,
} from './common.ts';

const forOtherNames = await aCertificateAuthority({ options: { names: { dns: ['other.ops.svc'], ip: [] } } });
const ec = await opensslAuthority('ec');
/** Appends an empty SEQUENCE: OpenSSL reads it as a trusted certificate, Go rejects it. */
const withNotes = Buffer.concat([new X509Certificate(set.ca.certificate).raw, Buffer.from([0x30, 0])]).toString(
  'base64',
);
const rsaPss = await opensslAuthority('rsa-pss');
/** openssl sets notBefore to the time of the test. */
const today = new Date();
const withLargerServingKey = {
  ...set,
  serving: await issueServingCertificate({ ...options, keySize: 3072 }, set.ca, ISSUED_AT),
};
const renewedBeforeCaDue = await renewedAt(caDue - HOUR_MS);
const renewedLate = await renewedAt(caEnd - HOUR_MS);

/** Expected decisions about the CA of a certificate set. */
export const authorityRows: readonly DecisionRow[] = [
  { what: 'a new certificate set', set, expected: 'keep' },
  { what: 'no certificate set', set: undefined, expected: 'replace absent' },
  {
    what: 'a CA with trailing bytes that OpenSSL ignores and Go refuses',
    set: withCa({ certificate: `-----BEGIN CERTIFICATE-----\n${withNotes}\n-----END CERTIFICATE-----\n` as Pem }),
    expected: 'replace unsupported',
  },
  {
    what: 'a certificate set of white space',
    set: {
      ...set,
      ca: { certificate: empty, privateKey: '\n' as Pem },
      caBundle: empty,
      serving: { certificate: ' ' as Pem, privateKey: empty },
    },
    expected: 'replace absent',
  },
  { what: 'a CA without its key', set: withCa({ privateKey: '\n' as Pem }), expected: 'replace ca-lost' },
  { what: 'a CA key without its certificate', set: withCa({ certificate: empty }), expected: 'replace ca-lost' },
  { what: 'an unparsable CA', set: withCa({ certificate: junk }), expected: 'replace unparsable' },
  { what: 'half a CA key', set: withCa({ privateKey: half(set.ca.privateKey) }), expected: 'replace unparsable' },
  {
    what: 'a CA with the key of another CA',
    set: withCa({ privateKey: other.ca.privateKey }),
    expected: 'replace key-mismatch',
  },
  {
    what: 'a serving certificate instead of the CA',
    set: { ...set, ca: set.serving },
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA that another CA has signed',
    set: withAlteredCa(isCalled('below'), other.ca),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA with the subject of its signer',
    set: withAlteredCa(both(), other.ca),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a self-signed CA with another issuer name',
    set: withAlteredCa((ca) => ca.setIssuer([{ shortName: 'CN', value: 'other' }])),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a self-signed certificate that is no CA',
    set: withAlteredCa(hasExtension('basicConstraints', { cA: false, critical: true })),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA whose key usage does not include signing certificates',
    set: withAlteredCa(hasExtension('keyUsage', { cRLSign: true, critical: true })),
    expected: 'replace wrong-usage',
  },
  { what: 'a CA for other names', set: { ...set, ca: forOtherNames }, expected: 'replace missing-name' },
  {
    what: 'a CA without name constraints',
    set: withAlteredCa(hasExtension('nameConstraints', undefined)),
    expected: 'replace missing-name',
  },
  { what: 'a CA just before notBefore', set, at: after(-HOUR_MS - 1), expected: 'replace not-yet-valid' },
  { what: 'a CA at notBefore', set, at: after(-HOUR_MS), expected: 'keep' },
  {
    what: 'a CA just before two thirds of its lifetime',
    set: renewedBeforeCaDue,
    at: after(caDue - 1),
    expected: 'keep',
  },
  { what: 'a CA at two thirds of its lifetime', set: renewedBeforeCaDue, at: after(caDue), expected: 'announce due' },
  {
    what: 'a CA near notAfter',
    set: renewedLate,
    at: after(caEnd - HOUR_MS / 2),
    expected: 'announce due',
  },
  { what: 'a CA just before notAfter', set: renewedLate, at: after(caEnd - 1), expected: 'renew due' },
  { what: 'a CA at notAfter', set: renewedLate, at: after(caEnd), expected: 'replace expired' },
  { what: 'keys smaller than --key-size', set, options: { keySize: 3072 }, expected: 'renew weak-key' },
  {
    what: 'a CA key smaller than --key-size',
    set: withLargerServingKey,
    options: { keySize: 3072 },
    expected: 'announce weak-key',
  },
  {
    what: 'a CA key smaller than --key-size during a rotation',
    set: { ...withLargerServingKey, phase: 'retiring', phaseSince: ISSUED_AT },
    options: { keySize: 3072 },
    expected: 'keep',
  },
  { what: 'keys larger than --key-size', set, options: { keySize: 1024 }, expected: 'keep' },
  { what: 'a CA with an EC key', set: { ...set, ca: ec }, at: today, expected: 'replace weak-key' },
  { what: 'a CA with an RSA-PSS key', set: { ...set, ca: rsaPss }, at: today, expected: 'replace weak-key' },
  {
    what: 'a CA with a negative serial number',
    set: withAlteredCa(hasNegativeSerial),
    expected: 'replace negative-serial',
  },
  {
    what: 'a CA with an extension that the daemon does not issue',
    set: withAlteredCa(hasExtension('nsComment', { comment: 'x' })),
    expected: 'replace unsupported',
  },
];
