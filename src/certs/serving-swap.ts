import type { Pem } from '../lib/pem.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';
import { isTrustedBy, parseCertificate, servingProblem, validityProblem } from './x509.ts';

/** `present` if the endpoint must present the stored serving certificate now; otherwise the reason why not. */
export type Presentation = 'present' | 'already' | 'not-trusted-yet' | 'settling';

/** Returns the CA of the serving certificate while API servers may not trust it yet; otherwise `undefined`. */
export const waitingAuthority = ({ ca, nextCa, phase }: CertificateSet): Pem | undefined =>
  nextCa === undefined && (phase === 'publishing' || phase === 'settling') ? ca.certificate : undefined;

/** Returns the functions that decide when the endpoint presents another serving certificate. */
export function createServingSwap({ names }: Pick<CertificateOptions, 'names'>) {
  /** Whether an API server with this CA bundle accepts the certificate now. It verifies the first server name. */
  function isVerified(pem: Pem, bundle: Pem, now: Date): boolean {
    const certificate = parseCertificate(pem);
    if (certificate === undefined || !isTrustedBy(pem, bundle, now)) return false;
    return (validityProblem(certificate, now) ?? servingProblem(certificate, names)) === undefined;
  }

  /**
   * Decides whether the endpoint presents the stored serving certificate. The live CA bundle must verify it. A
   * certificate of a new CA also waits for the settle time, as long as the live bundle verifies the presented
   * certificate. If the endpoint presents no certificate yet, it presents the stored certificate at once.
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

  return { isVerified, decidePresentation };
}
