import { joinCertificates, splitCertificates } from '../lib/pem.ts';
import type { BundleRules } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { CertificateDecision } from './decide.ts';
import { issueCertificateAuthority, issueServingCertificate } from './issue.ts';
import type { Situation } from './situation.ts';

/** A step that changes a set, other than replacing all of it. */
export type SetStep = Exclude<CertificateDecision, { readonly action: 'keep' | 'recreate' | 'replace' }>;

/** The steps in the life of a certificate set. */
export function createSteps(options: CertificateOptions, bundles: BundleRules) {
  /** The bundle as it should be: the current CA, the next one, and those that replicas may still need. */
  function withBundle(set: CertificateSet, situation: Situation): CertificateSet {
    const own = splitCertificates(joinCertificates([set.ca.certificate, set.nextCa?.certificate ?? '']));
    const known = joinCertificates([set.caBundle, set.phase === 'stable' ? '' : (situation.liveBundle ?? '')]);
    const caBundle = joinCertificates([...own, ...bundles.usableAuthorities(known, situation, own)]);
    const isAlone = caBundle === joinCertificates([set.ca.certificate]);
    return { ...set, caBundle, ...(isAlone ? { phase: 'stable', phaseSince: undefined } : {}) };
  }

  /** Takes one step. */
  async function advance(set: CertificateSet, { action }: SetStep, situation: Situation): Promise<CertificateSet> {
    const { now } = situation;
    switch (action) {
      case 'renew':
        return { ...set, serving: await issueServingCertificate(options, set.ca, now) };
      case 'announce': {
        const nextCa = await issueCertificateAuthority(options, now);
        return withBundle({ ...set, nextCa, phase: 'publishing', phaseSince: now }, situation);
      }
      case 'adopt':
        return withBundle({ ...set, phase: 'publishing', phaseSince: now }, situation);
      case 'mend':
        return withBundle(set, situation);
      case 'publish':
        return { ...set, phase: 'publishing', phaseSince: now };
      case 'settle':
        return { ...set, phase: 'settling', phaseSince: now };
      case 'switch':
        return takeOver(set, options, now);
      case 'retire':
        return { ...set, caBundle: set.ca.certificate, phase: 'stable', phaseSince: undefined };
    }
  }

  /**
   * Issues a set that shares nothing with the previous one but trust: replicas may still present a certificate that a CA
   * of the live bundle has signed, so these CAs stay in the bundle until the rotation has finished.
   */
  async function replace(before: CertificateSet | undefined, situation: Situation): Promise<CertificateSet> {
    const { now } = situation;
    const ca = await issueCertificateAuthority(options, now);
    const serving = await issueServingCertificate(options, ca, now);
    const caBundle = before?.caBundle ?? ca.certificate;
    return withBundle({ ca, serving, caBundle, nextCa: undefined, phase: 'publishing', phaseSince: now }, situation);
  }

  return { advance, replace };
}

/** The next CA signs from now on; the previous one stays trusted until no replica presents its certificates any more. */
async function takeOver(set: CertificateSet, options: CertificateOptions, now: Date): Promise<CertificateSet> {
  const { nextCa } = set;
  const retiring = { ...set, nextCa: undefined, phase: 'retiring', phaseSince: now } as const;
  // Without a next CA the current CA is itself the new one: it has replaced one that was lost.
  if (nextCa === undefined) return retiring;
  const serving = await issueServingCertificate(options, nextCa, now);
  return { ...retiring, ca: nextCa, serving, caBundle: joinCertificates([nextCa.certificate, set.caBundle]) };
}
