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
  { what: 'an unparsable serving certificate', set: withServing({ certificate: junk }), expected: 'renew unparsable' },
  { what: 'no serving certificate', set: withServing({ certificate: empty }), expected: 'renew unparsable' },
  { what: 'an unparsable serving key', set: withServing({ privateKey: junk }), expected: 'renew unparsable' },
  { what: 'no serving key', set: withServing({ privateKey: empty }), expected: 'renew unparsable' },
  {
    what: 'a serving certificate with the key of another certificate',
    set: withServing({ privateKey: other.serving.privateKey }),
    expected: 'renew key-mismatch',
  },
  {
    what: 'a serving certificate of another CA with the same subject',
    set: { ...set, serving: other.serving },
    expected: 'renew wrong-chain',
  },
  {
    what: 'a serving certificate only for client authentication',
    set: withAlteredServing(hasExtension('extKeyUsage', { clientAuth: true })),
    expected: 'renew wrong-usage',
  },
  {
    what: 'a CA as serving certificate',
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
    what: 'a serving certificate with the name only in its subject',
    set: withAlteredServing(both(isCalled(options.names.dns[0] ?? ''), hasExtension('subjectAltName', undefined))),
    expected: 'renew missing-name',
  },
  {
    what: 'a serving certificate with additional names',
    set: withAlteredServing(isForNames(['x.local', ...options.names.dns])),
    expected: 'renew missing-name',
  },
  {
    what: 'a serving certificate just before notBefore',
    set: renewedOnFirstDay,
    at: after(DAY_MS - HOUR_MS - 1),
    expected: 'renew not-yet-valid',
  },
  {
    what: 'a serving certificate at notBefore',
    set: renewedOnFirstDay,
    at: after(DAY_MS - HOUR_MS),
    expected: 'keep',
  },
  {
    what: 'a serving certificate just before two thirds of its lifetime',
    set,
    at: after(servingDue - 1),
    expected: 'keep',
  },
  { what: 'a serving certificate at two thirds of its lifetime', set, at: after(servingDue), expected: 'renew due' },
  { what: 'a serving certificate just before notAfter', set, at: after(servingEnd - 1), expected: 'renew due' },
  { what: 'a serving certificate at notAfter', set, at: after(servingEnd), expected: 'renew expired' },
  {
    what: 'a serving key smaller than --key-size',
    set: withServingKey(anRsaKey(1024)),
    expected: 'renew weak-key',
  },
  {
    what: 'a serving certificate with an EC key',
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
    what: 'a serving certificate that expires together with its CA',
    set: withAlteredServing(endsAt(after(caEnd))),
    expected: 'keep',
  },
  {
    what: 'a serving certificate that expires a second after its CA',
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
    what: 'a restart in the future, because the clock was set back',
    set,
    restartedAt: after(HOUR_MS),
    at: after(HOUR_MS - 1),
    expected: 'keep',
  },
  {
    what: 'a restart long after the issue of a damaged serving certificate',
    set: withServing({ privateKey: junk }),
    restartedAt: after(DAY_MS),
    at: after(DAY_MS),
    expected: 'renew unparsable',
  },
  {
    what: 'a serving certificate with an extension that the daemon does not issue',
    set: withAlteredServing(hasExtension('nsComment', { comment: 'x' })),
    expected: 'renew unsupported',
  },
  {
    what: 'a serving certificate followed by another certificate',
    set: withServing({ certificate: (set.serving.certificate + set.ca.certificate) as Pem }),
    expected: 'renew unparsable',
  },
];
