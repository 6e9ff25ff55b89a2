import type { Pem } from '../lib/pem.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';
import { isTrustedBy, parseCertificate, parsePrivateKey, servingProblem, validityProblem } from './x509.ts';

/** `present` if the endpoint must present the stored serving certificate now; otherwise the reason why not. */
export type Presentation = 'present' | 'already' | 'not-trusted-yet' | 'settling';

/**
 * Returns the CA that signs the serving certificates of the set, if API servers may not trust this CA yet; otherwise
 * `undefined`.
 */
export const waitingAuthority = ({ ca, phase }: CertificateSet): Pem | undefined =>
  phase === 'publishing' || phase === 'settling' ? ca.certificate : undefined;

const presentedPair = ({ presented, presentedKey }: Situation): CertificatePair | undefined =>
  presented && presentedKey && { certificate: presented, privateKey: presentedKey };

export type ServingSwap = ReturnType<typeof createServingSwap>;

/** Returns the functions that decide when the endpoint presents another serving certificate. */
export function createServingSwap({ names }: Pick<CertificateOptions, 'names'>) {
  /** Whether an API server with this CA bundle accepts the certificate now. It verifies the first server name. */
  function isVerified(pem: Pem, bundle: Pem, now: Date): boolean {
    const certificate = parseCertificate(pem);
    if (certificate === undefined || !isTrustedBy(pem, bundle, now)) return false;
    return (validityProblem(certificate, now) ?? servingProblem(certificate, names)) === undefined;
  }

  /**
   * Whether the private key belongs to the certificate, and an API server with this CA bundle accepts the certificate
   * now.
   */
  function canPresent({ certificate, privateKey }: CertificatePair, bundle: Pem, now: Date): boolean {
    const key = parsePrivateKey(privateKey);
    const isPair = key !== undefined && parseCertificate(certificate)?.checkPrivateKey(key) === true;
    return isPair && isVerified(certificate, bundle, now);
  }

  /** Whether the live CA bundle verifies the pair by a CA other than `ca`, which may be new to API servers. */
  function isFormer(pair: CertificatePair | undefined, ca: Pem, { now, liveBundle = '' as Pem }: Situation): boolean {
    return pair !== undefined && canPresent(pair, liveBundle, now) && !isTrustedBy(pair.certificate, ca, now);
  }

  /**
   * Returns the serving certificate to store as `former` beside `ca`, a CA that API servers may not trust yet. Tries
   * the certificate that this replica presents, then the `stored` one. The live CA bundle must verify the certificate
   * by another CA than `ca`. Returns `undefined` if neither certificate qualifies.
   */
  function formerPair(stored: CertificatePair | undefined, ca: Pem, situation: Situation): CertificatePair | undefined {
    return [presentedPair(situation), stored].find((pair) => isFormer(pair, ca, situation));
  }

  /**
   * Whether the certificate that this replica presents must be stored as `former`: the live CA bundle verifies this
   * certificate, API servers may not trust the CA of the set yet, and no usable `former` is stored.
   */
  function lacksFormer(set: CertificateSet, situation: Situation): boolean {
    const ca = waitingAuthority(set);
    if (ca === undefined || isFormer(set.former, ca, situation)) return false;
    return isFormer(presentedPair(situation), ca, situation);
  }

  /**
   * Decides whether the endpoint replaces the serving certificate that it presents by the stored one.
   *
   * - If the endpoint presents no certificate yet, it presents the stored one at once.
   * - Otherwise, the live CA bundle must verify the stored certificate.
   * - If API servers may not trust the CA of the stored certificate yet, the endpoint also waits for the settle time.
   *   It does not wait if the live CA bundle does not verify the presented certificate.
   *
   * @param candidate the stored serving certificate, and its CA while API servers may not trust that CA yet.
   */
  function decidePresentation(
    { serving, waiting }: { readonly serving: CertificatePair; readonly waiting: Pem | undefined },
    { now, presented, liveBundle = '' as Pem }: Situation,
  ): Presentation {
    if (presented === undefined) return 'present';
    if (serving.certificate === presented) return 'already';
    if (!isVerified(serving.certificate, liveBundle, now)) return 'not-trusted-yet';
    const isOfAnother = waiting !== undefined && !isTrustedBy(presented, waiting, now);
    return isOfAnother && isVerified(presented, liveBundle, now) ? 'settling' : 'present';
  }

  return { isVerified, canPresent, isFormer, formerPair, lacksFormer, decidePresentation };
}
