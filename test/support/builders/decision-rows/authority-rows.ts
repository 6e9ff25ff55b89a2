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

/** Decisions about the certificate authority of a set. */
export const authorityRows: readonly DecisionRow[] = [
  { what: 'a set that was issued just now', set, expected: 'keep' },
  { what: 'no set', set: undefined, expected: 'replace absent' },
  {
    what: 'a certificate with bytes behind it that OpenSSL alone reads over',
    set: withCa({ certificate: `-----BEGIN CERTIFICATE-----\n${withNotes}\n-----END CERTIFICATE-----\n` as Pem }),
    expected: 'replace unsupported',
  },
  {
    what: 'a set with nothing but blanks in it',
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
  { what: 'junk for a CA', set: withCa({ certificate: junk }), expected: 'replace unparsable' },
  { what: 'half a CA key', set: withCa({ privateKey: half(set.ca.privateKey) }), expected: 'replace unparsable' },
  {
    what: 'a CA with the key of another one',
    set: withCa({ privateKey: other.ca.privateKey }),
    expected: 'replace key-mismatch',
  },
  {
    what: 'a serving certificate in the place of the CA',
    set: { ...set, ca: set.serving },
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA that another one has signed',
    set: withAlteredCa(isCalled('below'), other.ca),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA with the subject of its signer',
    set: withAlteredCa(both(), other.ca),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA that names another issuer than itself',
    set: withAlteredCa((ca) => ca.setIssuer([{ shortName: 'CN', value: 'other' }])),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a self-signed certificate that is no CA',
    set: withAlteredCa(hasExtension('basicConstraints', { cA: false, critical: true })),
    expected: 'replace wrong-usage',
  },
  {
    what: 'a CA that may not sign certificates',
    set: withAlteredCa(hasExtension('keyUsage', { cRLSign: true, critical: true })),
    expected: 'replace wrong-usage',
  },
  { what: 'a CA for other names', set: { ...set, ca: forOtherNames }, expected: 'replace missing-name' },
  {
    what: 'a CA for any name',
    set: withAlteredCa(hasExtension('nameConstraints', undefined)),
    expected: 'replace missing-name',
  },
  { what: 'a CA just before it is valid', set, at: after(-HOUR_MS - 1), expected: 'replace not-yet-valid' },
  { what: 'a CA from its first moment', set, at: after(-HOUR_MS), expected: 'keep' },
  { what: 'a CA just before two thirds', set: renewedBeforeCaDue, at: after(caDue - 1), expected: 'keep' },
  { what: 'a CA at two thirds', set: renewedBeforeCaDue, at: after(caDue), expected: 'announce due' },
  {
    what: 'a CA near its end',
    set: renewedLate,
    at: after(caEnd - HOUR_MS / 2),
    expected: 'announce due',
  },
  { what: 'a CA in its last moment', set: renewedLate, at: after(caEnd - 1), expected: 'renew due' },
  { what: 'a CA at its end', set: renewedLate, at: after(caEnd), expected: 'replace expired' },
  { what: 'keys that are smaller than asked for', set, options: { keySize: 3072 }, expected: 'renew weak-key' },
  {
    what: 'a CA key that is smaller than asked for',
    set: withLargerServingKey,
    options: { keySize: 3072 },
    expected: 'announce weak-key',
  },
  {
    what: 'a CA key that is smaller than asked for, when a rotation is under way',
    set: { ...withLargerServingKey, phase: 'retiring', phaseSince: ISSUED_AT },
    options: { keySize: 3072 },
    expected: 'keep',
  },
  { what: 'keys that are larger than asked for', set, options: { keySize: 1024 }, expected: 'keep' },
  { what: 'an EC key for a CA', set: { ...set, ca: ec }, at: today, expected: 'replace weak-key' },
  { what: 'an RSA-PSS key for a CA', set: { ...set, ca: rsaPss }, at: today, expected: 'replace weak-key' },
  {
    what: 'a CA with a negative serial number',
    set: withAlteredCa(hasNegativeSerial),
    expected: 'replace negative-serial',
  },
  {
    what: 'a CA with an extension that is never issued',
    set: withAlteredCa(hasExtension('nsComment', { comment: 'x' })),
    expected: 'replace unsupported',
  },
];
