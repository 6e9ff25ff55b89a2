import type { X509Certificate } from 'node:crypto';
import { joinCertificates, type Pem, splitCertificates } from '../lib/pem.ts';
import { bundleProblem, usableAuthorities } from './bundle.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import { isConstrainedTo, isIssuedFor, isOfOurKind } from './issue.ts';
import type { Reason } from './reasons.ts';
import { judgeRotation, type RotationStep } from './rotation.ts';
import type { Asked } from './secret.ts';
import {
  issuedAt,
  isTrusted,
  isTrustedBy,
  parseCertificate,
  parsePrivateKey,
  renewalMoment,
  servingProblem,
  validityProblem,
} from './x509.ts';

/** What is to be done next with a certificate set, and why. One step at a time: after it the set is judged again. */
export type Verdict =
  | { readonly action: 'keep'; readonly until: Date }
  /** A new serving certificate from the same certificate authority. */
  | { readonly action: 'renew'; readonly reason: Reason }
  /** A certificate authority to take over later, published beside the current one. */
  | { readonly action: 'announce'; readonly reason: Reason }
  /** A new certificate authority and serving certificate at once: the current ones cannot be used. */
  | { readonly action: 'replace'; readonly reason: Reason }
  /** The authorities of what is presented come into the bundle: somebody has put another set into the Secret. */
  | { readonly action: 'adopt'; readonly reason: Reason }
  /** The CA bundle without what does not belong there. */
  | { readonly action: 'mend'; readonly reason: Reason }
  /** The same content in a new Secret: this one can never be changed. */
  | { readonly action: 'recreate'; readonly reason: Reason }
  | RotationStep;

/** What a judgement depends on beside the set. */
export interface Circumstances {
  readonly now: Date;
  /** Serving certificates from before this moment are renewed: set when a restart asks for that. */
  readonly restartedAt?: Date | undefined;
  /** What the API server verifies with: the rotation waits for it, and replicas may still present what it trusts. */
  readonly liveBundle?: Pem | undefined;
  /** What the endpoint of this replica presents: it must not lose its trust before it is swapped. */
  readonly presented?: Pem | undefined;
  /** For how long this process has seen the set's phase as it is. */
  readonly phaseSeenMs?: number | undefined;
}

/** What is known of the Secret around the set. */
export interface SecretTraits {
  readonly asked?: Asked | undefined;
  /** What makes it impossible to change the Secret. */
  readonly flaw?: 'wrong-type' | 'immutable' | undefined;
  /** Whether the annotations tell of another phase than what is stored. */
  readonly isPhaseWrong?: boolean | undefined;
}

/**
 * Judges a stored certificate set. Never throws: whatever is wrong with the set is a reason to replace that part.
 *
 * @param set `undefined` when nothing is stored; parts of it may be empty or junk.
 */
export function judge(
  set: CertificateSet | undefined,
  options: CertificateOptions,
  circumstances: Circumstances,
  { asked, flaw, isPhaseWrong }: SecretTraits = {},
): Verdict {
  if (flaw !== undefined) return { action: 'recreate', reason: flaw };
  if (set === undefined || isEmpty(set)) return { action: 'replace', reason: 'absent' };
  const ca = parseCertificate(set.ca.certificate);
  const serving = parseCertificate(set.serving.certificate);
  const lost = authorityProblem(set.ca, ca, options, circumstances.now);
  if (ca === undefined || lost !== undefined) return { action: 'replace', reason: lost ?? 'unparsable' };
  const unfit = certificateProblem(set.serving, serving, ca, options, circumstances);
  if (serving === undefined || unfit !== undefined) return { action: 'renew', reason: unfit ?? 'unparsable' };
  return (
    // Before the bundle: one that has to hold a CA which cannot be read could never be mended.
    nextVerdict(set, options, circumstances) ??
    bundleVerdict(set, options, circumstances) ??
    announceVerdict(set, ca, options, circumstances, asked) ??
    (isPhaseWrong ? { action: 'mend', reason: 'wrong-phase' } : undefined) ??
    (asked === 'serving' ? { action: 'renew', reason: 'asked' } : undefined) ??
    rotationVerdict(set, [ca, serving], options, circumstances)
  );
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
  const damage = pairProblem(pair, ca, now);
  if (damage !== undefined || ca === undefined) return damage;
  // Another kind of key than we issue, RSA-PSS among them, is one that forge cannot sign with.
  if (parsePrivateKey(pair.privateKey)?.asymmetricKeyType !== 'rsa') return 'weak-key';
  if (!isOfOurKind(pair.certificate)) return 'unsupported';
  if (!ca.ca || !ca.checkIssued(ca) || !ca.verify(ca.publicKey)) return 'wrong-usage';
  return isConstrainedTo(pair.certificate, options.names) ? undefined : 'missing-name';
}

function certificateProblem(
  pair: CertificatePair,
  serving: X509Certificate | undefined,
  ca: X509Certificate,
  options: CertificateOptions,
  { now, restartedAt }: Circumstances,
): Reason | undefined {
  const damage = pairProblem(pair, serving, now);
  if (damage !== undefined || serving === undefined) return damage;
  if (isWeak(pair, options)) return 'weak-key';
  if (!isOfOurKind(pair.certificate)) return 'unsupported';
  if (!isTrusted(serving, [ca.toString() as Pem], now)) return 'wrong-chain';
  if (serving.validToDate > ca.validToDate) return 'outlives-ca';
  const unfit = servingProblem(serving, options.names);
  if (unfit !== undefined) return unfit;
  if (!isIssuedFor(pair.certificate, options.names)) return 'missing-name';
  if (now >= renewalMoment(serving)) return 'due';
  // Where the clock was set back since, each new one would be older than the restart as well.
  const isRestarted = restartedAt !== undefined && restartedAt <= now;
  return isRestarted && isOlder(serving, restartedAt) ? 'restart' : undefined;
}

function bundleVerdict(
  set: CertificateSet,
  options: CertificateOptions,
  circumstances: Circumstances,
): Verdict | undefined {
  const problem = bundleProblem(set, options, circumstances.now);
  if (problem !== undefined) return { action: 'mend', reason: problem };
  return isLeftBehind(set, options, circumstances) ? { action: 'adopt', reason: 'swapped' } : undefined;
}

/** Whether what is presented would lose its trust to the set, although the authority that it has is one of ours. */
function isLeftBehind(
  { caBundle }: CertificateSet,
  options: CertificateOptions,
  { now, liveBundle, presented }: Circumstances,
): boolean {
  if (presented === undefined || liveBundle === undefined || isTrustedBy(presented, caBundle, now)) return false;
  return isTrustedBy(presented, joinCertificates(usableAuthorities(liveBundle, options, now, { presented })), now);
}

/** Whether the announced authority cannot take over. */
function nextVerdict(
  { ca, nextCa }: CertificateSet,
  options: CertificateOptions,
  { now }: Circumstances,
): Verdict | undefined {
  const isSame = nextCa && joinCertificates([nextCa.certificate]) === joinCertificates([ca.certificate]);
  if (isSame) return { action: 'announce', reason: 'duplicate-ca' };
  const flaw = nextCa && authorityProblem(nextCa, parseCertificate(nextCa.certificate), options, now);
  return flaw && { action: 'announce', reason: flaw };
}

/** Whether another authority should take over in good time. */
function announceVerdict(
  { ca: pair, phase }: CertificateSet,
  ca: X509Certificate,
  options: CertificateOptions,
  { now }: Circumstances,
  asked: Asked | undefined,
): Verdict | undefined {
  if (phase !== 'stable') return undefined;
  if (asked === 'ca') return { action: 'announce', reason: 'asked' };
  if (isWeak(pair, options)) return { action: 'announce', reason: 'weak-key' };
  return now >= renewalMoment(ca) ? { action: 'announce', reason: 'due' } : undefined;
}

function rotationVerdict(
  set: CertificateSet,
  certificates: readonly X509Certificate[],
  options: CertificateOptions,
  circumstances: Circumstances,
): Verdict {
  const step = judgeRotation(set, options, circumstances);
  if (step.action !== 'wait') return step;
  // A CA that is due while its successor settles is past that moment: to wait for it would be not to wait at all.
  const moments = certificates
    .map(renewalMoment)
    .concat(step.until ?? [])
    .filter((moment) => moment > circumstances.now);
  return { action: 'keep', until: new Date(Math.min(...moments.map((moment) => moment.getTime()))) };
}

/** What can be wrong with any pair. */
function pairProblem(pair: CertificatePair, certificate: X509Certificate | undefined, now: Date): Reason | undefined {
  const key = parsePrivateKey(pair.privateKey);
  if (certificate === undefined || key === undefined || !isOneBlock(pair.certificate)) return 'unparsable';
  if (!certificate.checkPrivateKey(key)) return 'key-mismatch';
  if (certificate.serialNumber.startsWith('-')) return 'negative-serial';
  return validityProblem(certificate, now);
}

/** TLS loads every block, and knows other labels than CERTIFICATE; what we issue has one block with this label. */
const isOneBlock = (pem: Pem): boolean => pem.match(/-----BEGIN/g)?.length === 1 && splitCertificates(pem).length === 1;

function isWeak({ privateKey }: CertificatePair, { keySize }: CertificateOptions): boolean {
  const key = parsePrivateKey(privateKey);
  return key?.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < keySize;
}

/** Certificates count whole seconds, so the start of the process is cut down to one. */
function isOlder(certificate: X509Certificate, moment: Date): boolean {
  return issuedAt(certificate).getTime() < Math.floor(moment.getTime() / 1000) * 1000;
}
