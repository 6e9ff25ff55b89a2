import { X509Certificate } from 'node:crypto';
import { joinCertificates } from '../lib/pem.ts';
import type { BundleRules } from './bundle.ts';
import { nextRotationStep, type RotationStep } from './ca-rotation.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import { createPairChecks } from './pair-checks.ts';
import type { Reason } from './reason-texts.ts';
import type { SecretTraits } from './secret.ts';
import type { Asked } from './secret-annotations.ts';
import type { Situation } from './situation.ts';
import { renewalMoment } from './x509.ts';

/** The next step of a certificate set, and its reason. After each step the set is decided on again. */
export type CertificateDecision =
  | { readonly action: 'keep'; readonly until: Date }
  /** A new serving certificate from the same certificate authority. */
  | { readonly action: 'renew'; readonly reason: Reason }
  /** A certificate authority to take over later, published beside the current one. */
  | { readonly action: 'announce'; readonly reason: Reason }
  /** A new certificate authority and serving certificate at once: the current ones cannot be used. */
  | { readonly action: 'replace'; readonly reason: Reason }
  /** The CAs of what is presented come into the bundle: another writer has put another set into the Secret. */
  | { readonly action: 'adopt'; readonly reason: Reason }
  /** The CA bundle without what does not belong there. */
  | { readonly action: 'mend'; readonly reason: Reason }
  /** The same content in a new Secret: this one can never be changed. */
  | { readonly action: 'recreate'; readonly reason: Reason }
  | RotationStep;

/**
 * Decides what a stored certificate set needs next. Never throws: whatever is wrong with the set is a reason to replace
 * that part. The set is `undefined` if nothing is stored; parts of it may be empty or junk.
 */
export function createDecide(options: CertificateOptions, bundles: BundleRules) {
  const { caProblem, renewalReason, isWeak } = createPairChecks(options);

  /** Whether the CA cannot sign, or its serving certificate cannot be presented. */
  function decideOnPairs(set: CertificateSet, situation: Situation): CertificateDecision | undefined {
    const lost = caProblem(set.ca, situation.now);
    if (lost !== undefined) return { action: 'replace', reason: lost };
    const reason = renewalReason(set, situation);
    return reason && { action: 'renew', reason };
  }

  /** Whether the announced CA cannot take over. */
  function decideOnNextCa({ ca, nextCa }: CertificateSet, now: Date): CertificateDecision | undefined {
    if (nextCa === undefined) return undefined;
    const isSame = joinCertificates([nextCa.certificate]) === joinCertificates([ca.certificate]);
    const reason = isSame ? 'duplicate-ca' : caProblem(nextCa, now);
    return reason && { action: 'announce', reason };
  }

  function decideOnBundle(set: CertificateSet, situation: Situation): CertificateDecision | undefined {
    const reason = bundles.bundleProblem(set, situation.now);
    if (reason !== undefined) return { action: 'mend', reason };
    return bundles.isLeftBehind(set, situation) ? { action: 'adopt', reason: 'swapped' } : undefined;
  }

  /** Whether the CA needs a successor. */
  function decideOnSuccessor({ ca, phase }: CertificateSet, now: Date, asked?: Asked): CertificateDecision | undefined {
    if (phase !== 'stable') return undefined;
    if (asked === 'ca') return { action: 'announce', reason: 'asked' };
    if (isWeak(ca)) return { action: 'announce', reason: 'weak-key' };
    return renewalOf(ca) <= now ? { action: 'announce', reason: 'due' } : undefined;
  }

  return (set: CertificateSet | undefined, situation: Situation, traits: SecretTraits = {}): CertificateDecision => {
    if (traits.flaw !== undefined) return { action: 'recreate', reason: traits.flaw };
    if (set === undefined || isEmpty(set)) return { action: 'replace', reason: 'absent' };
    return (
      decideOnPairs(set, situation) ??
      // Before the bundle: a bundle that must hold a CA that cannot be read can never be repaired.
      decideOnNextCa(set, situation.now) ??
      decideOnBundle(set, situation) ??
      decideOnSuccessor(set, situation.now, traits.asked) ??
      decideOnTraits(traits) ??
      decideOnRotation(set, options, situation)
    );
  };
}

function decideOnTraits({ asked, isPhaseWrong }: SecretTraits): CertificateDecision | undefined {
  if (isPhaseWrong) return { action: 'mend', reason: 'wrong-phase' };
  return asked === 'serving' ? { action: 'renew', reason: 'asked' } : undefined;
}

const isEmpty = ({ ca, serving }: CertificateSet): boolean =>
  [ca.certificate, ca.privateKey, serving.certificate, serving.privateKey].every((part) => part.trim() === '');

function decideOnRotation(set: CertificateSet, options: CertificateOptions, situation: Situation): CertificateDecision {
  const step = nextRotationStep(set, options, situation);
  if (step.action !== 'wait') return step;
  // A CA that is due while its successor settles is past its renewal moment, so that moment is no time to wait for.
  const moments = [renewalOf(set.ca), renewalOf(set.serving), step.until ?? []].flat();
  const later = moments.map((moment) => moment.getTime()).filter((ms) => ms > situation.now.getTime());
  return { action: 'keep', until: new Date(Math.min(...later)) };
}

/** Of a pair without a problem. */
const renewalOf = ({ certificate }: CertificatePair): Date => renewalMoment(new X509Certificate(certificate));
