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

/** Returns the checks of a CA or serving certificate with its private key. */
export function createPairChecks({ names, keySize }: CertificateOptions) {
  /** Whether the private key is not RSA, or smaller than the key size in the options. */
  function isWeak({ privateKey }: CertificatePair): boolean {
    const key = parsePrivateKey(privateKey);
    return key?.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < keySize;
  }

  /** Returns why the CA cannot sign for the server names. */
  function caProblem(pair: CertificatePair, now: Date): Reason | undefined {
    if (pair.certificate.trim() === '' || pair.privateKey.trim() === '') return 'ca-lost';
    const problem = pairProblem(pair, now) ?? caUseProblem(pair);
    return problem ?? (isConstrainedTo(pair.certificate, names) ? undefined : 'missing-name');
  }

  /**
   * Returns why the serving certificate must be renewed; `undefined` if it need not be. The caller must have checked
   * the CA of the set with `caProblem` before.
   */
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

/** Returns why a CA whose certificate and key match cannot sign serving certificates. */
function caUseProblem({ certificate, privateKey }: CertificatePair): Reason | undefined {
  // The daemon signs only with plain RSA keys, not with RSA-PSS.
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
  // Ignore a start of the daemon that is in the future: the clock was set back after the start. Every new certificate
  // would look older than the start, and would be renewed again and again.
  const isRestarted = restartedAt !== undefined && restartedAt <= now;
  return isRestarted && issuedAt(serving) < wholeSecond(restartedAt) ? 'restart' : undefined;
}

/** Returns why a certificate and its private key cannot be used, either as a CA or for serving. */
function pairProblem({ certificate: pem, privateKey }: CertificatePair, now: Date): Reason | undefined {
  const certificate = parseCertificate(pem);
  const key = parsePrivateKey(privateKey);
  if (certificate === undefined || key === undefined || !isOneBlock(pem)) return 'unparsable';
  if (!certificate.checkPrivateKey(key)) return 'key-mismatch';
  if (certificate.serialNumber.startsWith('-')) return 'negative-serial';
  return validityProblem(certificate, now);
}

/** Whether the PEM text has one block, labelled CERTIFICATE, because TLS would load further blocks too. */
const isOneBlock = (pem: Pem): boolean => countPemBlocks(pem) === 1 && splitCertificates(pem).length === 1;

/** Rounds down to whole seconds, the precision of certificate dates. */
const wholeSecond = (moment: Date): Date => new Date(Math.floor(moment.getTime() / 1000) * 1000);
