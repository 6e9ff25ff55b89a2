import type { X509Certificate } from 'node:crypto';
import type { Pem } from '../lib/pem.ts';
import type { CertificateOptions, CertificatePair, CertificateSet, ServerNames } from './certificate-set.ts';
import type { Reason } from './reasons.ts';
import type { Situation } from './situation.ts';
import { isTrustedBy, parseCertificate, validityProblem } from './x509.ts';

/** Whether the stored serving certificate is to be presented now, in the place of the one that is. */
export type Presentation = 'present' | 'already' | 'not-trusted-yet' | 'settling';

/** The authority of the serving certificate, while it is new and waits for every API server to know it. */
export const waitingAuthority = ({ ca, nextCa, phase }: CertificateSet): Pem | undefined =>
  nextCa === undefined && (phase === 'publishing' || phase === 'settling') ? ca.certificate : undefined;

/** The stored serving certificate, and its CA while that waits for every API server to know it. */
export interface ServingCandidate {
  readonly serving: CertificatePair;
  readonly waiting: Pem | undefined;
}

export interface ServingSwap {
  /**
   * Trust first, use second: a certificate is presented once the live CA bundle verifies it. A certificate of a new CA
   * waits until every API server can be expected to see that bundle, for as long as the one presented is still good.
   * If nothing is presented yet, no API server is told to call, and the candidate is presented at once.
   */
  decidePresentation(candidate: ServingCandidate, situation: Situation): Presentation;
  /** Whether an API server that trusts the bundle accepts the certificate at this moment, for the name that it asks for. */
  isVerified(pem: Pem, bundle: Pem, now: Date): boolean;
}

export function createServingSwap({ names }: Pick<CertificateOptions, 'names'>): ServingSwap {
  function isVerified(pem: Pem, bundle: Pem, now: Date): boolean {
    const certificate = parseCertificate(pem);
    return (
      certificate !== undefined &&
      validityProblem(certificate, now) === undefined &&
      presentedProblem(certificate, names) === undefined &&
      isTrustedBy(pem, bundle, now)
    );
  }
  return {
    isVerified,
    decidePresentation({ serving, waiting }, { now, presented, liveBundle = '' as Pem }) {
      if (presented === undefined) return 'present';
      if (serving.certificate === presented) return 'already';
      if (!isVerified(serving.certificate, liveBundle, now)) return 'not-trusted-yet';
      const isOfAnother = waiting !== undefined && !isTrustedBy(presented, waiting, now);
      return isOfAnother && isVerified(presented, liveBundle, now) ? 'settling' : 'present';
    },
  };
}

/** The one name that the API server asks for: the first. */
export const askedName = ({ dns, ip }: ServerNames): ServerNames =>
  dns.length > 0 ? { dns: dns.slice(0, 1), ip: [] } : { dns: [], ip: ip.slice(0, 1) };

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/**
 * Why the API server would not take the certificate for the endpoint's, its validity and its chain aside. Go's TLS client
 * does not mind a CA there, and a plain `openssl req -x509` makes one; we issue none.
 */
export function presentedProblem(certificate: X509Certificate, names: ServerNames): Reason | undefined {
  if (certificate.keyUsage?.includes(SERVER_AUTH) === false) return 'wrong-usage';
  const { dns, ip } = askedName(names);
  const isForName =
    dns.every((name) => certificate.checkHost(name, { subject: 'never' }) !== undefined) &&
    ip.every((address) => certificate.checkIP(address) !== undefined);
  return isForName ? undefined : 'missing-name';
}
