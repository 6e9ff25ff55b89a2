import { countPemBlocks, joinCertificates, type Pem, splitCertificates } from '../lib/pem.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { isConstrainedTo } from './name-constraints.ts';
import type { Reason } from './reason-texts.ts';
import type { Situation } from './situation.ts';
import { isTrustedBy, parseCertificate, validityProblem } from './x509.ts';

/**
 * Maximum number of earlier CAs in the bundle. A rotation needs one. Four leave room for a Secret that is lost several
 * times before the rotation has finished.
 */
const MOST_PREVIOUS = 4;
/** Maximum length of a CA in PEM. A CA of the daemon has 2 KiB, and a Secret holds 1 MiB. */
const MOST_CA_BYTES = 16_384;

export type BundleRules = ReturnType<typeof createBundleRules>;

/** Returns the checks of a CA bundle for a webhook with these server names. */
export function createBundleRules({ names }: Pick<CertificateOptions, 'names'>) {
  /** Whether a certificate is a valid CA whose name constraints permit exactly the server names. */
  function isUsable(pem: Pem, now: Date): boolean {
    if (pem.length > MOST_CA_BYTES) return false;
    const ca = parseCertificate(pem);
    return ca?.ca === true && validityProblem(ca, now) === undefined && isConstrainedTo(pem, names);
  }

  /**
   * Returns the CAs of a bundle that can still verify a serving certificate for the server names. Returns at most four,
   * and none of more than 16 KiB, so that the bundle cannot outgrow the object that holds it.
   *
   * If more than four CAs are usable, the issuer of the certificate that this replica presents has priority. Then the
   * first CAs of the bundle are kept, because the daemon puts a new CA first. The dates in the CAs have no influence,
   * because the clocks of the replicas differ.
   *
   * @param own CAs that the caller adds to the bundle. The function ignores them: it neither returns nor counts them.
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

  /**
   * Returns why the CA bundle must be repaired; `undefined` if the bundle is valid. For the current CA and the next CA,
   * checks only that the bundle contains them: the caller must have checked these two CAs before.
   */
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

  /**
   * Whether a usable CA of the live bundle verifies the certificate that this replica presents, and no CA of the set
   * does.
   */
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

/**
 * Returns the live bundle if it has the same CAs as `caBundle` in any order, so that another order causes no write;
 * otherwise returns `caBundle`.
 */
export function asPublished(caBundle: Pem, liveBundle: Pem | undefined): Pem {
  const wanted = joinCertificates([caBundle]);
  const live = joinCertificates([liveBundle ?? '']);
  const isSame = live === liveBundle && live.length === wanted.length && isPublished(wanted, live);
  return isSame ? (liveBundle as Pem) : caBundle;
}
