import type { X509Certificate } from 'node:crypto';
import { type Pem, splitCertificates } from '../encodings.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import { isConstrainedTo } from './issue.ts';
import type { Reason } from './reasons.ts';
import {
  issuedAt,
  isTrusted,
  parseCertificate,
  parsePrivateKey,
  renewalMoment,
  servingProblem,
  validityProblem,
} from './x509.ts';

/** What is to be done with a certificate set, and why. */
export type Verdict =
  | { readonly action: 'keep'; readonly until: Date }
  /** A new serving certificate from the same certificate authority. */
  | { readonly action: 'renew'; readonly reason: Reason }
  /** A new certificate authority, and a serving certificate from it. */
  | { readonly action: 'rotate'; readonly reason: Reason };

/** Two moments in time that a judgement depends on. */
export interface Moments {
  readonly now: Date;
  /** Serving certificates from before this moment are renewed: set when a restart asks for that. */
  readonly restartedAt?: Date | undefined;
}

/**
 * Judges a stored certificate set. Never throws: whatever is wrong with the set is a reason to replace that part.
 *
 * @param set `undefined` when nothing is stored; parts of it may be empty or junk.
 */
export function judge(set: CertificateSet | undefined, options: CertificateOptions, moments: Moments): Verdict {
  if (set === undefined || isEmpty(set)) return { action: 'rotate', reason: 'absent' };
  const ca = parseCertificate(set.ca.certificate);
  const caProblem = authorityProblem(set.ca, ca, options, moments.now);
  if (caProblem !== undefined || ca === undefined) return { action: 'rotate', reason: caProblem ?? 'unparsable' };
  const serving = parseCertificate(set.serving.certificate);
  const problem = certificateProblem(set.serving, serving, ca, options, moments);
  if (problem !== undefined || serving === undefined) return { action: 'renew', reason: problem ?? 'unparsable' };
  const ends = [ca, serving].map((certificate) => renewalMoment(certificate).getTime());
  return { action: 'keep', until: new Date(Math.min(...ends)) };
}

const isEmpty = ({ ca, serving }: CertificateSet): boolean =>
  [ca.certificate, ca.privateKey, serving.certificate, serving.privateKey].every((part) => part.trim() === '');

function authorityProblem(
  pair: CertificatePair,
  ca: X509Certificate | undefined,
  options: CertificateOptions,
  now: Date,
): Reason | undefined {
  if (pair.certificate.trim() === '' || pair.privateKey.trim() === '') return 'ca-lost';
  const damage = pairProblem(pair, ca, options, now);
  if (damage !== undefined || ca === undefined) return damage;
  if (!ca.ca || !ca.checkIssued(ca) || !ca.verify(ca.publicKey)) return 'wrong-usage';
  if (!isConstrainedTo(pair.certificate, options.names)) return 'missing-name';
  return now >= renewalMoment(ca) ? 'due' : undefined;
}

function certificateProblem(
  pair: CertificatePair,
  serving: X509Certificate | undefined,
  ca: X509Certificate,
  options: CertificateOptions,
  { now, restartedAt }: Moments,
): Reason | undefined {
  const damage = pairProblem(pair, serving, options, now);
  if (damage !== undefined || serving === undefined) return damage;
  if (!isTrusted(serving, [ca.toString() as Pem], now)) return 'wrong-chain';
  if (serving.validToDate > ca.validToDate) return 'outlives-ca';
  const unfit = servingProblem(serving, options.names);
  if (unfit !== undefined) return unfit;
  if (now >= renewalMoment(serving)) return 'due';
  return restartedAt !== undefined && isOlder(serving, restartedAt) ? 'restart' : undefined;
}

/** What can be wrong with either pair, damage first. */
function pairProblem(
  pair: CertificatePair,
  certificate: X509Certificate | undefined,
  options: CertificateOptions,
  now: Date,
): Reason | undefined {
  const key = parsePrivateKey(pair.privateKey);
  if (certificate === undefined || key === undefined) return 'unparsable';
  if (!certificate.checkPrivateKey(key)) return 'key-mismatch';
  if (certificate.serialNumber.startsWith('-')) return 'negative-serial';
  // Another kind of key than we issue, RSA-PSS among them, is one that forge cannot sign with.
  const bits = key.asymmetricKeyType === 'rsa' ? (key.asymmetricKeyDetails?.modulusLength ?? 0) : 0;
  if (bits < options.keySize) return 'weak-key';
  return validityProblem(certificate, now);
}

/** Certificates count whole seconds, so the start of the process is cut down to one. */
function isOlder(certificate: X509Certificate, moment: Date): boolean {
  return issuedAt(certificate).getTime() < Math.floor(moment.getTime() / 1000) * 1000;
}

/** The authorities of a bundle that can still verify something: for those who present a certificate from before. */
export function usableAuthorities(bundle: Pem, options: CertificateOptions, now: Date): Pem[] {
  return splitCertificates(bundle).filter((pem) => {
    const ca = parseCertificate(pem);
    return ca?.ca === true && validityProblem(ca, now) === undefined && isConstrainedTo(pem, options.names);
  });
}
