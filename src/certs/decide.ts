import { X509Certificate } from 'node:crypto';
import { joinCertificates } from '../lib/pem.ts';
import type { BundleRules } from './bundle.ts';
import { nextRotationStep, type RotationStep } from './ca-rotation.ts';
import type { CertificateOptions, CertificatePair, CertificateSet } from './certificate-set.ts';
import { createPairChecks } from './pair-checks.ts';
import type { Reason } from './reason-texts.ts';
import type { SecretTraits } from './secret.ts';
import type { Asked } from './secret-annotations.ts';
import type { ServingSwap } from './serving-swap.ts';
import type { Situation } from './situation.ts';
import { renewalMoment } from './x509.ts';

/** The next step for a certificate set, and its reason. */
export type CertificateDecision =
  | { readonly action: 'keep'; readonly until: Date }
  /** Issue a new serving certificate from the same CA. */
  | { readonly action: 'renew'; readonly reason: Reason }
  /** Issue a next CA, publish it beside the current CA, and switch to it later. */
  | { readonly action: 'announce'; readonly reason: Reason }
  /** Issue a new CA and serving certificate at once, because the current ones cannot be used. */
  | { readonly action: 'replace'; readonly reason: Reason }
  /**
   * Another writer has put a different certificate set into the Secret. Add the CAs of the live CA bundle to that set,
   * and keep the serving certificate that this replica presents as the `former` certificate of that set.
   */
  | { readonly action: 'adopt'; readonly reason: Reason }
  /** Repair the CA bundle or the phase annotation. */
  | { readonly action: 'repair'; readonly reason: Reason }
  /**
   * Create the Secret again with its last content. To change a Secret that is immutable or has the wrong type, the
   * daemon deletes it and creates it again. This step follows if the Secret was deleted but not created.
   */
  | { readonly action: 'recreate'; readonly reason: Reason }
  | RotationStep;

/** The functions that check the CA bundle and the serving certificate of a certificate set. */
export interface SetRules {
  readonly bundles: BundleRules;
  readonly swap: ServingSwap;
}

/**
 * Returns a pure function that decides the next step for a stored certificate set. Invalid content leads to a step, not
 * to an exception. The set is `undefined` if there is no Secret; parts of the set may be empty or unreadable.
 */
export function createDecide(options: CertificateOptions, { bundles, swap }: SetRules) {
  const { caProblem, renewalReason, isWeak } = createPairChecks(options);

  /** Returns `replace` if the CA has a problem, or `renew` if only the serving certificate needs replacement. */
  function decideOnPairs(set: CertificateSet, situation: Situation): CertificateDecision | undefined {
    const lost = caProblem(set.ca, situation.now);
    if (lost !== undefined) return { action: 'replace', reason: lost };
    const reason = renewalReason(set, situation);
    return reason && { action: 'renew', reason };
  }

  /** Returns `announce` if the next CA cannot sign, so that another next CA is issued. */
  function decideOnNextCa({ ca, nextCa }: CertificateSet, now: Date): CertificateDecision | undefined {
    if (nextCa === undefined) return undefined;
    const isSame = joinCertificates([nextCa.certificate]) === joinCertificates([ca.certificate]);
    const reason = isSame ? 'duplicate-ca' : caProblem(nextCa, now);
    return reason && { action: 'announce', reason };
  }

  function decideOnBundle(set: CertificateSet, situation: Situation): CertificateDecision | undefined {
    const reason = bundles.bundleProblem(set, situation.now);
    if (reason !== undefined) return { action: 'repair', reason };
    const isAdopted = bundles.isLeftBehind(set, situation) || swap.lacksFormer(set, situation);
    return isAdopted ? { action: 'adopt', reason: 'swapped' } : undefined;
  }

  /** Returns `announce` if the CA must be rotated: a user asked for it, its key is too small, or it is due. */
  function decideOnSuccessor({ ca, phase }: CertificateSet, now: Date, asked?: Asked): CertificateDecision | undefined {
    if (phase !== 'stable') return undefined;
    if (asked === 'ca') return { action: 'announce', reason: 'asked' };
    if (isWeak(ca)) return { action: 'announce', reason: 'weak-key' };
    return renewalOf(ca) <= now ? { action: 'announce', reason: 'due' } : undefined;
  }

  return (set: CertificateSet | undefined, situation: Situation, traits: SecretTraits = {}): CertificateDecision => {
    if (set === undefined || isEmpty(set)) return { action: 'replace', reason: 'absent' };
    return (
      decideOnPairs(set, situation) ??
      // The next CA is checked before the bundle, because a bundle with an unreadable next CA cannot be repaired.
      decideOnNextCa(set, situation.now) ??
      decideOnBundle(set, situation) ??
      decideOnSuccessor(set, situation.now, traits.asked) ??
      decideOnTraits(traits) ??
      decideOnRotation(set, options, situation)
    );
  };
}

function decideOnTraits({ asked, isPhaseWrong }: SecretTraits): CertificateDecision | undefined {
  if (isPhaseWrong) return { action: 'repair', reason: 'wrong-phase' };
  return asked === 'serving' ? { action: 'renew', reason: 'asked' } : undefined;
}

const isEmpty = ({ ca, serving }: CertificateSet): boolean =>
  [ca.certificate, ca.privateKey, serving.certificate, serving.privateKey].every((part) => part.trim() === '');

function decideOnRotation(set: CertificateSet, options: CertificateOptions, situation: Situation): CertificateDecision {
  const step = nextRotationStep(set, options, situation);
  if (step.action !== 'wait') return step;
  // Ignore a renewal date in the past: during a CA rotation, the renewal date of the current CA may have passed.
  const moments = [renewalOf(set.ca), renewalOf(set.serving), step.until ?? []].flat();
  const later = moments.map((moment) => moment.getTime()).filter((ms) => ms > situation.now.getTime());
  return { action: 'keep', until: new Date(Math.min(...later)) };
}

/** @throws Error if the certificate cannot be parsed. */
const renewalOf = ({ certificate }: CertificatePair): Date => renewalMoment(new X509Certificate(certificate));
