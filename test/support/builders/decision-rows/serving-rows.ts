import type { Pem } from '../../../../src/lib/pem.ts';
import { opensslAuthority } from '../../cluster/openssl.ts';
import { aCertificateSet } from '../a-certificate-set.ts';
import { both, endsAt, hasExtension, hasNegativeSerial, isCalled, isForNames } from '../a-damaged-set.ts';
import { anRsaKey } from '../altered.ts';
import {
  after,
  caEnd,
  DAY_MS,
  type DecisionRow,
  empty,
  HOUR_MS,
  junk,
  options,
  other,
  renewedAt,
  servingDue,
  servingEnd,
  set,
  withAlteredServing,
  withServing,
  withServingKey,
} from './common.ts';

const ec = await opensslAuthority('ec');
/** openssl sets notBefore to the time of the test. */
const today = new Date();
const ofToday = await aCertificateSet({ options, issuedAt: today });
const renewedOnFirstDay = await renewedAt(DAY_MS);

/** Decisions about the serving certificate of a set with a healthy certificate authority. */
export const servingRows: readonly DecisionRow[] = [
  { what: 'junk for a serving certificate', set: withServing({ certificate: junk }), expected: 'renew unparsable' },
  { what: 'no serving certificate', set: withServing({ certificate: empty }), expected: 'renew unparsable' },
  { what: 'junk for a serving key', set: withServing({ privateKey: junk }), expected: 'renew unparsable' },
  { what: 'no serving key', set: withServing({ privateKey: empty }), expected: 'renew unparsable' },
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
    expected: 'renew missing-name',
  },
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
  { what: 'a serving certificate just before two thirds', set, at: after(servingDue - 1), expected: 'keep' },
  { what: 'a serving certificate at two thirds', set, at: after(servingDue), expected: 'renew due' },
  { what: 'a serving certificate in its last moment', set, at: after(servingEnd - 1), expected: 'renew due' },
  { what: 'a serving certificate at its end', set, at: after(servingEnd), expected: 'renew expired' },
  {
    what: 'a serving key that is smaller than asked for',
    set: withServingKey(anRsaKey(1024)),
    expected: 'renew weak-key',
  },
  {
    what: 'an EC key for a serving certificate',
    set: { ...ofToday, serving: ec },
    at: today,
    expected: 'renew weak-key',
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
  { what: 'a restart in the second of the issue', set, restartedAt: after(999), at: after(999), expected: 'keep' },
  {
    what: 'a restart in the second after the issue',
    set,
    restartedAt: after(1000),
    at: after(1000),
    expected: 'renew restart',
  },
  {
    what: 'a restart that has yet to come, as the clock was set back',
    set,
    restartedAt: after(HOUR_MS),
    at: after(HOUR_MS - 1),
    expected: 'keep',
  },
  {
    what: 'a restart long after the issue of what is damaged',
    set: withServing({ privateKey: junk }),
    restartedAt: after(DAY_MS),
    at: after(DAY_MS),
    expected: 'renew unparsable',
  },
  {
    what: 'a serving certificate with an extension that is never issued',
    set: withAlteredServing(hasExtension('nsComment', { comment: 'x' })),
    expected: 'renew unsupported',
  },
  {
    what: 'a serving certificate with another one behind it',
    set: withServing({ certificate: (set.serving.certificate + set.ca.certificate) as Pem }),
    expected: 'renew unparsable',
  },
];
