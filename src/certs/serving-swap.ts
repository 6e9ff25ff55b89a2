import type { Pem } from '../lib/pem.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';
import { isTrustedBy, parseCertificate, servingProblem, validityProblem } from './x509.ts';

/** Whether the stored serving certificate replaces the presented one now, and why not. */
export type Presentation = 'present' | 'already' | 'not-trusted-yet' | 'settling';

/** The CA of the serving certificate while it is new, because API servers may not know it yet. */
export const waitingAuthority = ({ ca, nextCa, phase }: CertificateSet): Pem | undefined =>
  nextCa === undefined && (phase === 'publishing' || phase === 'settling') ? ca.certificate : undefined;

export function createServingSwap({ names }: Pick<CertificateOptions, 'names'>) {
  /** Whether an API server that trusts the bundle accepts the certificate at this moment, for the name that it asks for. */
  function isVerified(pem: Pem, bundle: Pem, now: Date): boolean {
    const certificate = parseCertificate(pem);
    if (certificate === undefined || !isTrustedBy(pem, bundle, now)) return false;
    return (validityProblem(certificate, now) ?? servingProblem(certificate, names)) === undefined;
  }

  /**
   * Trust first, use second: a certificate is presented once the live CA bundle verifies it. A certificate of a new CA
   * waits until every API server can be expected to see that bundle, for as long as the one presented is still good.
   * If nothing is presented yet, no API server is told to call, and the candidate is presented at once.
   *
   * @param candidate the stored serving certificate, and its CA while that waits for every API server to know it.
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
