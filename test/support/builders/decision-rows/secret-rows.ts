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
  { what: 'a bundle with the CA before', set: withBundle(own, other.ca.certificate), expected: 'keep' },
  { what: 'a bundle with text around', set: withBundle('# ours\n', own, '\n# the end\n'), expected: 'keep' },
  {
    what: 'a phase in the annotations that is not the one stored',
    set,
    isPhaseWrong: true,
    expected: 'repair wrong-phase',
  },
  {
    what: 'a next CA that is the current one',
    set: { ...set, nextCa: set.ca, phase: 'publishing', phaseSince: undefined },
    expected: 'announce duplicate-ca',
  },
  {
    what: 'a bundle with a CA just before its end',
    set: withBundle(own, shortLived.ca.certificate),
    at: after(DAY_MS - 1),
    options: { settleMs: 2 * DAY_MS },
    expected: 'keep',
  },
  {
    what: 'a bundle with a CA at its end',
    set: withBundle(own, shortLived.ca.certificate),
    at: after(DAY_MS),
    expected: 'repair foreign-ca',
  },
  {
    what: 'a bundle with a CA for other names',
    set: withBundle(own, forOtherNames.certificate),
    expected: 'repair foreign-ca',
  },
  { what: 'a bundle with a CA of another kind', set: withBundle(own, ec.certificate), expected: 'repair foreign-ca' },
  {
    what: 'a bundle with a certificate that is no CA',
    set: withBundle(own, set.serving.certificate),
    expected: 'repair foreign-ca',
  },
  { what: 'a bundle with its CA twice', set: withBundle(own, own), expected: 'repair duplicate-ca' },
  {
    what: 'a bundle with the CA before twice',
    set: withBundle(own, other.ca.certificate, other.ca.certificate),
    expected: 'repair duplicate-ca',
  },
  {
    what: 'a bundle with a block that is no certificate',
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
  { what: 'a set that does not trust what is presented', set, ...presentedByOther, expected: 'adopt swapped' },
  {
    what: 'a set that trusts what is presented beside its own',
    set: withBundle(own, other.ca.certificate),
    ...presentedByOther,
    expected: 'keep',
  },
  {
    what: 'a set that is presented',
    set,
    presented: set.serving.certificate,
    liveBundle: other.caBundle,
    expected: 'keep',
  },
  {
    what: 'a set that does not trust what is presented, nor does the live bundle',
    set,
    presented: other.serving.certificate,
    liveBundle: set.caBundle,
    expected: 'keep',
  },
  {
    what: 'a set that does not trust what is presented, without a live bundle',
    set,
    presented: other.serving.certificate,
    expected: 'keep',
  },
  { what: 'a set while nothing is presented', set, liveBundle: other.caBundle, expected: 'keep' },
  {
    what: 'a set beside a certificate that a CA for other names has signed',
    set,
    presented: ofOthers.certificate,
    liveBundle: forOtherNames.certificate,
    expected: 'keep',
  },
  {
    what: 'a set beside a certificate whose CA is about to end',
    set,
    at: after(DAY_MS - 1),
    ...presentedByShortLived,
    expected: 'adopt swapped',
  },
  {
    what: 'a set beside a certificate whose CA has ended',
    set,
    at: after(DAY_MS),
    ...presentedByShortLived,
    expected: 'keep',
  },
  {
    what: 'a set with a damaged bundle that does not trust what is presented',
    set: withBundle(own, own),
    ...presentedByOther,
    expected: 'repair duplicate-ca',
  },
];

const damaged = withServing({ privateKey: junk });
const nothing = { certificate: empty, privateKey: empty };
const announced: CertificateSet = {
  ...set,
  nextCa: next,
  caBundle: joinCertificates([own, next.certificate]),
  phase: 'publishing',
  phaseSince: ISSUED_AT,
};

/** Decisions that depend on type, labels and annotations of the Secret. */
const traitRows: readonly DecisionRow[] = [
  { what: 'a set in a Secret of another type', set, flaw: 'wrong-type', expected: 'recreate wrong-type' },
  { what: 'a set in an immutable Secret', set, flaw: 'immutable', expected: 'recreate immutable' },
  { what: 'a damaged set in an immutable Secret', set: damaged, flaw: 'immutable', expected: 'recreate immutable' },
  {
    what: 'nothing in a Secret of another type',
    set: { ...set, ca: nothing, serving: nothing, caBundle: empty },
    flaw: 'wrong-type',
    expected: 'recreate wrong-type',
  },
  { what: 'a set that nobody asks anything of', set, asked: undefined, expected: 'keep' },
  { what: 'a request for a serving certificate', set, asked: 'serving', expected: 'renew asked' },
  { what: 'a request for a CA', set, asked: 'ca', expected: 'announce asked' },
  {
    what: 'a request for a serving certificate during a rotation',
    set: announced,
    asked: 'serving',
    expected: 'renew asked',
  },
  { what: 'a request for a CA during a rotation', set: announced, asked: 'ca', expected: 'keep' },
  { what: 'a request for a CA of a damaged set', set: damaged, asked: 'ca', expected: 'renew unparsable' },
  {
    what: 'a request for a CA that is lost',
    set: withCa({ privateKey: empty }),
    asked: 'ca',
    expected: 'replace ca-lost',
  },
];

/** Decisions for healthy sets, by live bundle, presented certificate and Secret. */
export const secretRows = [...bundleRows, ...swappedRows, ...traitRows];
