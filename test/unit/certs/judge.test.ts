import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CertificateOptions, CertificateSet } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { judge } from '../../../src/certs/judge.ts';
import { type Reason, reasons } from '../../../src/certs/reasons.ts';
import type { Pem } from '../../../src/encodings.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
} from '../../support/a-certificate-set.ts';
import {
  both,
  damagesOf,
  endsAt,
  hasExtension,
  hasNegativeSerial,
  isCalled,
  isForNames,
} from '../../support/a-damaged-set.ts';
import { anRsaKey } from '../../support/altered.ts';
import { opensslAuthority } from '../../support/openssl.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);

const options = certificateOptions({ caLifetimeMs: 900 * DAY_MS, servingLifetimeMs: 90 * DAY_MS });
const caDue = 600 * DAY_MS;
const caEnd = 900 * DAY_MS;
const servingDue = 60 * DAY_MS;
const servingEnd = 90 * DAY_MS;

const set = await aCertificateSet({ options });
const other = await aCertificateSet({ options, nth: 2 });
const forOtherNames = await aCertificateAuthority({ options: { names: { dns: ['other.ops.svc'], ip: [] } } });
const ec = await opensslAuthority('ec');
const renewedAt = async (ms: number): Promise<CertificateSet> => ({
  ...set,
  serving: await issueServingCertificate(options, set.ca, after(ms)),
});
const renewedOnFirstDay = await renewedAt(DAY_MS);
const renewedBeforeCaDue = await renewedAt(caDue - HOUR_MS);

const empty = '' as Pem;
const junk = '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n' as Pem;
const half = (pem: Pem): Pem => pem.slice(0, pem.length / 2) as Pem;

const { withCa, withServing, withAlteredCa, withAlteredServing, withServingKey } = damagesOf(set);

type Outcome = 'keep' | `${'renew' | 'rotate'} ${Reason}`;
interface Row {
  readonly what: string;
  readonly set: CertificateSet | undefined;
  readonly expected: Outcome;
  readonly at?: Date;
  readonly restartedAt?: Date;
  readonly options?: Partial<CertificateOptions>;
}

const rows: readonly Row[] = [
  { what: 'a set that was issued just now', set, expected: 'keep' },
  { what: 'no set', set: undefined, expected: 'rotate absent' },
  {
    what: 'a set with nothing but blanks in it',
    set: {
      ca: { certificate: empty, privateKey: '\n' as Pem },
      caBundle: empty,
      serving: { certificate: ' ' as Pem, privateKey: empty },
    },
    expected: 'rotate absent',
  },

  { what: 'a CA without its key', set: withCa({ privateKey: '\n' as Pem }), expected: 'rotate ca-lost' },
  { what: 'a CA key without its certificate', set: withCa({ certificate: empty }), expected: 'rotate ca-lost' },
  { what: 'junk for a CA', set: withCa({ certificate: junk }), expected: 'rotate unparsable' },
  { what: 'half a CA key', set: withCa({ privateKey: half(set.ca.privateKey) }), expected: 'rotate unparsable' },
  { what: 'junk for a serving certificate', set: withServing({ certificate: junk }), expected: 'renew unparsable' },
  { what: 'no serving certificate', set: withServing({ certificate: empty }), expected: 'renew unparsable' },
  { what: 'junk for a serving key', set: withServing({ privateKey: junk }), expected: 'renew unparsable' },
  { what: 'no serving key', set: withServing({ privateKey: empty }), expected: 'renew unparsable' },
  {
    what: 'a CA with the key of another one',
    set: withCa({ privateKey: other.ca.privateKey }),
    expected: 'rotate key-mismatch',
  },
  {
    what: 'a serving certificate with the key of another one',
    set: withServing({ privateKey: other.serving.privateKey }),
    expected: 'renew key-mismatch',
  },

  {
    what: 'a serving certificate of another CA with the same subject',
    set: { ...set, serving: other.serving },
    expected: 'renew wrong-chain',
  },

  {
    what: 'a serving certificate in the place of the CA',
    set: { ...set, ca: set.serving },
    expected: 'rotate wrong-usage',
  },
  {
    what: 'a CA that another one has signed',
    set: withAlteredCa(isCalled('below'), other.ca),
    expected: 'rotate wrong-usage',
  },
  {
    what: 'a CA with the subject of its signer',
    set: withAlteredCa(both(), other.ca),
    expected: 'rotate wrong-usage',
  },
  {
    what: 'a CA that names another issuer than itself',
    set: withAlteredCa((ca) => ca.setIssuer([{ shortName: 'CN', value: 'other' }])),
    expected: 'rotate wrong-usage',
  },
  {
    what: 'a self-signed certificate that is no CA',
    set: withAlteredCa(hasExtension('basicConstraints', { cA: false, critical: true })),
    expected: 'rotate wrong-usage',
  },
  {
    what: 'a CA that may not sign certificates',
    set: withAlteredCa(hasExtension('keyUsage', { cRLSign: true, critical: true })),
    expected: 'rotate wrong-usage',
  },
  {
    what: 'a serving certificate for clients only',
    set: withAlteredServing(hasExtension('extKeyUsage', { clientAuth: true })),
    expected: 'renew wrong-usage',
  },
  {
    what: 'a CA that is presented as serving certificate',
    set: withAlteredServing(
      both(
        hasExtension('basicConstraints', { cA: true, critical: true }),
        hasExtension('keyUsage', { digitalSignature: true, keyCertSign: true, critical: true }),
      ),
    ),
    expected: 'renew wrong-usage',
  },

  { what: 'a CA for other names', set: { ...set, ca: forOtherNames }, expected: 'rotate missing-name' },
  {
    what: 'a CA for any name',
    set: withAlteredCa(hasExtension('nameConstraints', undefined)),
    expected: 'rotate missing-name',
  },
  {
    what: 'a serving certificate without one of the names',
    set: withAlteredServing(isForNames(options.names.dns.slice(0, -1))),
    expected: 'renew missing-name',
  },
  {
    what: 'a serving certificate with the name in its subject alone',
    set: withAlteredServing(both(isCalled(options.names.dns[0] ?? ''), hasExtension('subjectAltName', undefined))),
    expected: 'renew missing-name',
  },
  {
    what: 'a serving certificate with names beside those served',
    set: withAlteredServing(isForNames(['x.local', ...options.names.dns])),
    expected: 'keep',
  },

  { what: 'a CA just before it is valid', set, at: after(-HOUR_MS - 1), expected: 'rotate not-yet-valid' },
  { what: 'a CA from its first moment', set, at: after(-HOUR_MS), expected: 'keep' },
  {
    what: 'a serving certificate just before it is valid',
    set: renewedOnFirstDay,
    at: after(DAY_MS - HOUR_MS - 1),
    expected: 'renew not-yet-valid',
  },
  {
    what: 'a serving certificate from its first moment',
    set: renewedOnFirstDay,
    at: after(DAY_MS - HOUR_MS),
    expected: 'keep',
  },
  { what: 'a CA just before two thirds', set: renewedBeforeCaDue, at: after(caDue - 1), expected: 'keep' },
  { what: 'a CA at two thirds', set: renewedBeforeCaDue, at: after(caDue), expected: 'rotate due' },
  { what: 'a serving certificate just before two thirds', set, at: after(servingDue - 1), expected: 'keep' },
  { what: 'a serving certificate at two thirds', set, at: after(servingDue), expected: 'renew due' },
  { what: 'a CA in its last moment', set, at: after(caEnd - 1), expected: 'rotate due' },
  { what: 'a CA at its end', set, at: after(caEnd), expected: 'rotate expired' },
  { what: 'a serving certificate in its last moment', set, at: after(servingEnd - 1), expected: 'renew due' },
  { what: 'a serving certificate at its end', set, at: after(servingEnd), expected: 'renew expired' },

  { what: 'keys that are smaller than asked for', set, options: { keySize: 3072 }, expected: 'rotate weak-key' },
  { what: 'keys that are larger than asked for', set, options: { keySize: 1024 }, expected: 'keep' },
  {
    what: 'a serving key that is smaller than asked for',
    set: withServingKey(anRsaKey(1024)),
    expected: 'renew weak-key',
  },
  { what: 'an EC key for a CA', set: { ...set, ca: ec }, expected: 'rotate weak-key' },
  { what: 'an EC key for a serving certificate', set: { ...set, serving: ec }, expected: 'renew weak-key' },

  {
    what: 'a CA with a negative serial number',
    set: withAlteredCa(hasNegativeSerial),
    expected: 'rotate negative-serial',
  },
  {
    what: 'a serving certificate with a negative serial number',
    set: withAlteredServing(hasNegativeSerial),
    expected: 'renew negative-serial',
  },

  {
    what: 'a serving certificate that ends with its CA',
    set: withAlteredServing(endsAt(after(caEnd))),
    expected: 'keep',
  },
  {
    what: 'a serving certificate that ends a second after its CA',
    set: withAlteredServing(endsAt(after(caEnd + 1000))),
    expected: 'renew outlives-ca',
  },

  { what: 'a restart in the second of the issue', set, restartedAt: after(999), expected: 'keep' },
  { what: 'a restart in the second after the issue', set, restartedAt: after(1000), expected: 'renew restart' },
  {
    what: 'a restart long after the issue of what is damaged',
    set: withServing({ privateKey: junk }),
    restartedAt: after(DAY_MS),
    expected: 'renew unparsable',
  },
];

describe('judging a certificate set', () => {
  for (const { what, set, expected, at = ISSUED_AT, restartedAt, options: changed } of rows) {
    test(`${what}: ${expected}`, () => {
      const verdict = judge(set, { ...options, ...changed }, { now: at, restartedAt });
      assert.equal(verdict.action === 'keep' ? 'keep' : `${verdict.action} ${verdict.reason}`, expected);
    });
  }

  test('the table above has a row for every reason', () => {
    const covered = new Set(rows.map(({ expected }) => expected.replace(/^\w+ /, '')));
    assert.deepEqual(
      Object.keys(reasons).filter((reason) => !covered.has(reason)),
      [],
    );
  });
});
