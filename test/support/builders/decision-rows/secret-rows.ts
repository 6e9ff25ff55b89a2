import type { CertificateSet } from '../../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../../src/certs/issue.ts';
import { joinCertificates, type Pem } from '../../../../src/lib/pem.ts';
import { opensslAuthority } from '../../cluster/openssl.ts';
import { aCertificateAuthority, aCertificateSet, ISSUED_AT } from '../a-certificate-set.ts';
import { after, DAY_MS, type DecisionRow, empty, junk, options, other, set, withCa, withServing } from './common.ts';

const otherNames = { names: { dns: ['other.ops.svc'], ip: [] } };
const forOtherNames = await aCertificateAuthority({ options: otherNames });
const ofOthers = await issueServingCertificate(options, forOtherNames, ISSUED_AT);
const shortLived = await aCertificateSet({ options: { caLifetimeMs: DAY_MS, servingLifetimeMs: DAY_MS } });
const ec = await opensslAuthority('ec');
const next = await aCertificateAuthority({ options, nth: 3 });

const own = set.ca.certificate;
/** Returns a set at the end of a rotation with the given texts as its CA bundle. */
const withBundle = (...texts: readonly string[]): CertificateSet => ({
  ...set,
  caBundle: texts.join('') as Pem,
  phase: 'retiring',
  phaseSince: ISSUED_AT,
});

const bundleRows: readonly DecisionRow[] = [
  { what: 'a bundle with the former CA', set: withBundle(own, other.ca.certificate), expected: 'keep' },
  { what: 'a bundle with text around the CA', set: withBundle('# ours\n', own, '\n# the end\n'), expected: 'keep' },
  {
    what: 'a phase annotation that does not fit the stored CAs',
    set,
    isPhaseWrong: true,
    expected: 'repair wrong-phase',
  },
  {
    what: 'a next CA that equals the current CA',
    set: { ...set, nextCa: set.ca, phase: 'publishing', phaseSince: undefined },
    expected: 'announce duplicate-ca',
  },
  {
    what: 'a bundle with a CA just before its notAfter',
    set: withBundle(own, shortLived.ca.certificate),
    at: after(DAY_MS - 1),
    options: { settleMs: 2 * DAY_MS },
    expected: 'keep',
  },
  {
    what: 'a bundle with a CA at its notAfter',
    set: withBundle(own, shortLived.ca.certificate),
    at: after(DAY_MS),
    expected: 'repair foreign-ca',
  },
  {
    what: 'a bundle with a CA for other names',
    set: withBundle(own, forOtherNames.certificate),
    expected: 'repair foreign-ca',
  },
  { what: 'a bundle with a CA with an EC key', set: withBundle(own, ec.certificate), expected: 'repair foreign-ca' },
  {
    what: 'a bundle with a certificate that is no CA',
    set: withBundle(own, set.serving.certificate),
    expected: 'repair foreign-ca',
  },
  { what: 'a bundle with its CA twice', set: withBundle(own, own), expected: 'repair duplicate-ca' },
  {
    what: 'a bundle with the former CA twice',
    set: withBundle(own, other.ca.certificate, other.ca.certificate),
    expected: 'repair duplicate-ca',
  },
  {
    what: 'a bundle with a PEM block that is not a certificate',
    set: withBundle(own, junk),
    expected: 'repair unparsable-bundle',
  },
  {
    what: 'a bundle that is cut off',
    set: withBundle(own, other.ca.certificate.slice(0, -20)),
    expected: 'repair unparsable-bundle',
  },
  {
    what: 'a bundle with a private key',
    set: withBundle(own, set.ca.privateKey),
    expected: 'repair unparsable-bundle',
  },
  {
    what: 'a bundle without the next CA',
    set: { ...set, nextCa: next, phase: 'publishing', phaseSince: ISSUED_AT },
    expected: 'repair ca-lost',
  },
];

const presentedByOther = { presented: other.serving.certificate, liveBundle: other.caBundle };
const presentedByShortLived = { presented: shortLived.serving.certificate, liveBundle: shortLived.caBundle };

/** Decisions while the endpoint presents a different certificate than the Secret has. */
const swappedRows: readonly DecisionRow[] = [
  {
    what: 'a set whose bundle does not verify the presented certificate',
    set,
    ...presentedByOther,
    expected: 'adopt swapped',
  },
  {
    what: 'a set whose bundle also verifies the presented certificate of another CA',
    set: withBundle(own, other.ca.certificate),
    ...presentedByOther,
    expected: 'keep',
  },
  {
    what: 'a set whose serving certificate is presented',
    set,
    presented: set.serving.certificate,
    liveBundle: other.caBundle,
    expected: 'keep',
  },
  {
    what: 'a presented certificate that neither the set nor the live bundle verifies',
    set,
    presented: other.serving.certificate,
    liveBundle: set.caBundle,
    expected: 'keep',
  },
  {
    what: 'a set whose bundle does not verify the presented certificate, without a live bundle',
    set,
    presented: other.serving.certificate,
    expected: 'keep',
  },
  { what: 'a set while no certificate is presented', set, liveBundle: other.caBundle, expected: 'keep' },
  {
    what: 'a presented certificate of a CA for other names',
    set,
    presented: ofOthers.certificate,
    liveBundle: forOtherNames.certificate,
    expected: 'keep',
  },
  {
    what: 'a presented certificate whose CA is about to expire',
    set,
    at: after(DAY_MS - 1),
    ...presentedByShortLived,
    expected: 'adopt swapped',
  },
  {
    what: 'a presented certificate whose CA has expired',
    set,
    at: after(DAY_MS),
    ...presentedByShortLived,
    expected: 'keep',
  },
  {
    what: 'a set whose damaged bundle does not verify the presented certificate',
    set: withBundle(own, own),
    ...presentedByOther,
    expected: 'repair duplicate-ca',
  },
];

/** `set` directly after its CA replaced the lost CA of `other`. */
const inPlaceOf: CertificateSet = {
  ...set,
  caBundle: joinCertificates([own, other.ca.certificate]),
  phase: 'publishing',
  phaseSince: ISSUED_AT,
};
const lentBy = { presented: other.serving.certificate, presentedKey: other.serving.privateKey };
const bothLive = joinCertificates([own, other.ca.certificate]);

/**
 * Decisions directly after a new CA replaced a lost CA. The former pair is the serving certificate that the lost CA
 * signed, with its key.
 */
const formerRows: readonly DecisionRow[] = [
  {
    what: 'a new CA, while this replica has the former pair',
    set: inPlaceOf,
    liveBundle: bothLive,
    ...lentBy,
    expected: 'adopt swapped',
  },
  {
    what: 'a new CA with the former pair in the Secret',
    set: { ...inPlaceOf, former: other.serving },
    liveBundle: bothLive,
    ...lentBy,
    expected: 'settle',
  },
  {
    what: 'a new CA with a former pair that no API server trusts',
    set: { ...inPlaceOf, former: { ...other.serving, privateKey: set.serving.privateKey } },
    liveBundle: bothLive,
    ...lentBy,
    expected: 'adopt swapped',
  },
  {
    what: 'a new CA, while this replica has only the former certificate',
    set: inPlaceOf,
    liveBundle: bothLive,
    presented: other.serving.certificate,
    expected: 'settle',
  },
  {
    what: 'a new CA, while this replica presents its certificate already',
    set: inPlaceOf,
    liveBundle: bothLive,
    presented: set.serving.certificate,
    presentedKey: set.serving.privateKey,
    expected: 'settle',
  },
  {
    what: 'a new CA that the former pair does not outlive, because API servers do not trust that pair',
    set: inPlaceOf,
    liveBundle: own,
    ...lentBy,
    expected: 'keep',
  },
];

const damaged = withServing({ privateKey: junk });
const announced: CertificateSet = {
  ...set,
  nextCa: next,
  caBundle: joinCertificates([own, next.certificate]),
  phase: 'publishing',
  phaseSince: ISSUED_AT,
};

/** Decisions that depend on type, labels and annotations of the Secret. */
const traitRows: readonly DecisionRow[] = [
  { what: 'a set without a request', set, asked: undefined, expected: 'keep' },
  { what: 'a request for a serving certificate', set, asked: 'serving', expected: 'renew asked' },
  { what: 'a request for a CA', set, asked: 'ca', expected: 'announce asked' },
  {
    what: 'a request for a serving certificate during a rotation',
    set: announced,
    asked: 'serving',
    expected: 'renew asked',
  },
  { what: 'a request for a CA during a rotation', set: announced, asked: 'ca', expected: 'keep' },
  { what: 'a request for a CA with a damaged set', set: damaged, asked: 'ca', expected: 'renew unparsable' },
  {
    what: 'a request for a CA without the current CA key',
    set: withCa({ privateKey: empty }),
    asked: 'ca',
    expected: 'replace ca-lost',
  },
];

/** Decisions for healthy sets, by live bundle, presented certificate and Secret. */
export const secretRows = [...bundleRows, ...swappedRows, ...formerRows, ...traitRows];
