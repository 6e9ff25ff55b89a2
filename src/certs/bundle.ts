import { joinCertificates, type Pem, splitCertificates } from '../lib/pem.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { isConstrainedTo } from './issue.ts';
import type { Reason } from './reasons.ts';
import { isTrustedBy, parseCertificate, validityProblem } from './x509.ts';

/** What is wrong with the CA bundle of a set whose current authority is healthy. */
export function bundleProblem(
  { ca, caBundle, nextCa }: CertificateSet,
  options: CertificateOptions,
  now: Date,
): Reason | undefined {
  const blocks = caBundle.match(/-----BEGIN /g)?.length ?? 0;
  const certificates = splitCertificates(caBundle);
  if (certificates.length !== blocks || !certificates.every(parseCertificate)) return 'unparsable-bundle';
  if (new Set(certificates).size !== certificates.length) return 'duplicate-ca';
  if (nextCa && !certificates.includes(normalized(nextCa.certificate))) return 'ca-lost';
  const own = [ca, ...(nextCa ? [nextCa] : [])].map(({ certificate }) => normalized(certificate));
  const others = certificates.filter((pem) => !own.includes(pem));
  return others.some((pem) => !isUsable(pem, options, now)) ? 'foreign-ca' : undefined;
}

/** One takes over while another retires; more are needed only where the Secret is lost again before that is over. */
const MOST_PREVIOUS = 4;

/**
 * The authorities of a bundle that can still verify something: for those who present a certificate from before. Whatever
 * happens again and again, the bundle must not grow until no object can hold it: so only that of what is presented and
 * the first ones, as a new one is put before all others. Their dates tell nothing: clocks differ.
 *
 * @param own those that stay in the bundle whatever they are, and are not counted.
 * @param presented what the endpoint of this replica presents.
 */
export function usableAuthorities(
  bundle: Pem,
  options: CertificateOptions,
  now: Date,
  { own = [], presented }: { readonly own?: readonly Pem[]; readonly presented?: Pem | undefined } = {},
): Pem[] {
  const usable = splitCertificates(bundle).filter((pem) => !own.includes(pem) && isUsable(pem, options, now));
  if (usable.length <= MOST_PREVIOUS) return usable;
  const isNeeded = (pem: Pem) => presented !== undefined && isTrustedBy(presented, pem, now);
  const kept = [...new Set([...usable.filter(isNeeded), ...usable])].slice(0, MOST_PREVIOUS);
  return usable.filter((pem) => kept.includes(pem));
}

/** Whether everything that is to be trusted is in the live bundle. */
export function isPublished(caBundle: Pem, liveBundle: Pem | undefined): boolean {
  const live = splitCertificates(liveBundle ?? '');
  return splitCertificates(caBundle).every((pem) => live.includes(pem));
}

/** The live bundle where it holds just these authorities, in whatever order: they verify the same then. */
export function asPublished(caBundle: Pem, liveBundle: Pem | undefined): Pem {
  const [wanted, live] = [joinCertificates([caBundle]), joinCertificates([liveBundle ?? ''])];
  const isSame = live === liveBundle && live.length === wanted.length && isPublished(wanted, live);
  return isSame ? (liveBundle as Pem) : caBundle;
}

/** Only an authority that can sign for nothing but our names is taken for one of ours. */
function isUsable(pem: Pem, options: CertificateOptions, now: Date): boolean {
  const ca = parseCertificate(pem);
  return ca?.ca === true && validityProblem(ca, now) === undefined && isConstrainedTo(pem, options.names);
}

const normalized = (pem: Pem): Pem => splitCertificates(pem)[0] ?? pem;
