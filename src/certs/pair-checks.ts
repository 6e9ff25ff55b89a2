import { X509Certificate } from 'node:crypto';
import { countPemBlocks, type Pem, splitCertificates } from '../lib/pem.ts';
import { isIssuedFor, isOfOurKind } from './certificate-profile.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import { isConstrainedTo } from './name-constraints.ts';
import type { Reason } from './reason-texts.ts';
import type { Situation } from './situation.ts';
import {
  issuedAt,
  isTrusted,
  parseCertificate,
  parsePrivateKey,
  renewalMoment,
  servingProblem,
  validityProblem,
} from './x509.ts';

/** What is wrong with a CA or a serving certificate, each with its key. */
export function createPairChecks({ names, keySize }: CertificateOptions) {
  /** Whether the key is smaller than the options ask for, or not an RSA key. */
  function isWeak({ privateKey }: CertificatePair): boolean {
    const key = parsePrivateKey(privateKey);
    return key?.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < keySize;
  }

  /** Why the CA cannot sign for our names. */
  function caProblem(pair: CertificatePair, now: Date): Reason | undefined {
    if (pair.certificate.trim() === '' || pair.privateKey.trim() === '') return 'ca-lost';
    const problem = pairProblem(pair, now) ?? caUseProblem(pair);
    return problem ?? (isConstrainedTo(pair.certificate, names) ? undefined : 'missing-name');
  }

  /** Why a serving certificate whose CA is healthy must be renewed. */
  function renewalReason({ ca, serving: pair }: CertificateSet, situation: Situation): Reason | undefined {
    const damage = pairProblem(pair, situation.now);
    if (damage !== undefined) return damage;
    if (isWeak(pair)) return 'weak-key';
    if (!isOfOurKind(pair.certificate)) return 'unsupported';
    const serving = new X509Certificate(pair.certificate);
    return (
      chainProblem(serving, ca, situation.now) ??
      (serving.ca ? 'wrong-usage' : servingProblem(serving, names)) ??
      (isIssuedFor(serving, names) ? undefined : 'missing-name') ??
      ageProblem(serving, situation)
    );
  }

  return { isWeak, caProblem, renewalReason };
}

/** Why our kind of certificate cannot be signed with a CA that is intact. */
function caUseProblem({ certificate, privateKey }: CertificatePair): Reason | undefined {
  // forge cannot sign with another kind of key, RSA-PSS among them.
  if (parsePrivateKey(privateKey)?.asymmetricKeyType !== 'rsa') return 'weak-key';
  if (!isOfOurKind(certificate)) return 'unsupported';
  const ca = new X509Certificate(certificate);
  return ca.ca && ca.checkIssued(ca) && ca.verify(ca.publicKey) ? undefined : 'wrong-usage';
}

function chainProblem(serving: X509Certificate, { certificate }: CertificatePair, now: Date): Reason | undefined {
  if (!isTrusted([serving], [certificate], now)) return 'wrong-chain';
  return serving.validToDate > new X509Certificate(certificate).validToDate ? 'outlives-ca' : undefined;
}

function ageProblem(serving: X509Certificate, { now, restartedAt }: Situation): Reason | undefined {
  if (now >= renewalMoment(serving)) return 'due';
  // If the clock was set back since the restart, each new certificate would be older than the restart as well.
  const isRestarted = restartedAt !== undefined && restartedAt <= now;
  return isRestarted && issuedAt(serving) < wholeSecond(restartedAt) ? 'restart' : undefined;
}

/** What can be wrong with any pair. */
function pairProblem({ certificate: pem, privateKey }: CertificatePair, now: Date): Reason | undefined {
  const certificate = parseCertificate(pem);
  const key = parsePrivateKey(privateKey);
  if (certificate === undefined || key === undefined || !isOneBlock(pem)) return 'unparsable';
  if (!certificate.checkPrivateKey(key)) return 'key-mismatch';
  if (certificate.serialNumber.startsWith('-')) return 'negative-serial';
  return validityProblem(certificate, now);
}

/** TLS loads every block, and knows other labels than CERTIFICATE; what we issue has one block with this label. */
const isOneBlock = (pem: Pem): boolean => countPemBlocks(pem) === 1 && splitCertificates(pem).length === 1;

/** Certificates count whole seconds. */
const wholeSecond = (moment: Date): Date => new Date(Math.floor(moment.getTime() / 1000) * 1000);
