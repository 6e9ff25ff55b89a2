import { countPemBlocks, joinCertificates, type Pem, splitCertificates } from '../lib/pem.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { isConstrainedTo } from './name-constraints.ts';
import type { Reason } from './reason-texts.ts';
import type { Situation } from './situation.ts';
import { isTrustedBy, parseCertificate, validityProblem } from './x509.ts';

/**
 * One CA takes over while another retires, so one earlier CA is enough as a rule. More are needed only if the Secret is
 * lost again before the rotation has finished: four leave room for several such losses within a rotation.
 */
const MOST_PREVIOUS = 4;

/** What depends on the names for which a CA of ours may sign. */
export type BundleRules = ReturnType<typeof createBundleRules>;

export function createBundleRules({ names }: Pick<CertificateOptions, 'names'>) {
  /** Only a CA that can sign for nothing but our names counts as one of ours. */
  function isUsable(pem: Pem, now: Date): boolean {
    const ca = parseCertificate(pem);
    return ca?.ca === true && validityProblem(ca, now) === undefined && isConstrainedTo(pem, names);
  }

  /**
   * The CAs of a bundle that can still verify a certificate for our names, so that replicas that present an older
   * certificate stay trusted. Repeated damage must not let the bundle grow until no object can hold it. So at most four
   * are kept: the issuer of what this replica presents, and the first ones, because a new CA is put before all others.
   * Their dates are not compared: clocks differ.
   *
   * @param own CAs that the caller puts into the bundle itself: neither returned nor counted.
   */
  function usableAuthorities(
    bundle: Pem,
    { now, presented }: Pick<Situation, 'now' | 'presented'>,
    own: readonly Pem[] = [],
  ): Pem[] {
    const usable = splitCertificates(bundle).filter((pem) => !own.includes(pem) && isUsable(pem, now));
    if (usable.length <= MOST_PREVIOUS) return usable;
    const isNeeded = (pem: Pem) => presented !== undefined && isTrustedBy(presented, pem, now);
    const kept = [...new Set([...usable.filter(isNeeded), ...usable])].slice(0, MOST_PREVIOUS);
    return usable.filter((pem) => kept.includes(pem));
  }

  /** What is wrong with the CA bundle of a set whose current CA is healthy. */
  function bundleProblem({ ca, caBundle, nextCa }: CertificateSet, now: Date): Reason | undefined {
    const certificates = splitCertificates(caBundle);
    if (certificates.length !== countPemBlocks(caBundle) || !certificates.every(parseCertificate)) {
      return 'unparsable-bundle';
    }
    if (new Set(certificates).size !== certificates.length) return 'duplicate-ca';
    const own = [ca, nextCa ?? ca].map(({ certificate }) => joinCertificates([certificate]));
    if (!own.every((pem) => certificates.includes(pem))) return 'ca-lost';
    const others = certificates.filter((pem) => !own.includes(pem));
    return others.some((pem) => !isUsable(pem, now)) ? 'foreign-ca' : undefined;
  }

  /** Whether the set would take away the trust of what this replica presents, although one of our CAs has signed that. */
  function isLeftBehind({ caBundle }: CertificateSet, { now, liveBundle, presented }: Situation): boolean {
    if (presented === undefined || liveBundle === undefined || isTrustedBy(presented, caBundle, now)) return false;
    return isTrustedBy(presented, joinCertificates(usableAuthorities(liveBundle, { now, presented })), now);
  }

  return { usableAuthorities, bundleProblem, isLeftBehind };
}

/** Whether the live bundle holds every certificate of `caBundle`. */
export function isPublished(caBundle: Pem, liveBundle: Pem | undefined): boolean {
  const live = splitCertificates(liveBundle ?? '');
  return splitCertificates(caBundle).every((pem) => live.includes(pem));
}

/** The live bundle if it holds exactly these CAs, in any order, because then it verifies the same; else `caBundle`. */
export function asPublished(caBundle: Pem, liveBundle: Pem | undefined): Pem {
  const wanted = joinCertificates([caBundle]);
  const live = joinCertificates([liveBundle ?? '']);
  const isSame = live === liveBundle && live.length === wanted.length && isPublished(wanted, live);
  return isSame ? (liveBundle as Pem) : caBundle;
}
