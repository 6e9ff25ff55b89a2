import { joinCertificates, splitCertificates } from '../lib/pem.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { CertificateDecision, SetRules } from './decide.ts';
import type { Issuer } from './issue.ts';
import type { Situation } from './situation.ts';

/** A decision that changes part of a certificate set: every action except `keep`, `recreate` and `replace`. */
export type SetStep = Exclude<CertificateDecision, { readonly action: 'keep' | 'recreate' | 'replace' }>;

/** Returns the functions that change a certificate set: `advance` changes part of it, `replace` all of it. */
export function createSteps(options: CertificateOptions, { bundles, swap }: SetRules, issuer: Issuer) {
  /** Sets the CA bundle: the current CA, the next CA, and the earlier CAs that other replicas may still need. */
  function withBundle(set: CertificateSet, situation: Situation): CertificateSet {
    const own = splitCertificates(joinCertificates([set.ca.certificate, set.nextCa?.certificate ?? '']));
    const known = joinCertificates([set.caBundle, set.phase === 'stable' ? '' : (situation.liveBundle ?? '')]);
    const caBundle = joinCertificates([...own, ...bundles.usableAuthorities(known, situation, own)]);
    const isAlone = caBundle === joinCertificates([set.ca.certificate]);
    return { ...set, caBundle, ...(isAlone ? { former: undefined, phase: 'stable', phaseSince: undefined } : {}) };
  }

  /** Returns the changed certificate set. Does not write it to the Secret. */
  async function advance(set: CertificateSet, { action }: SetStep, situation: Situation): Promise<CertificateSet> {
    const { now } = situation;
    switch (action) {
      case 'renew':
        return { ...set, serving: await issuer.serving(options, set.ca, now) };
      case 'announce': {
        const nextCa = await issuer.authority(options, now);
        return withBundle({ ...set, nextCa, phase: 'publishing', phaseSince: now }, situation);
      }
      case 'adopt': {
        const former = swap.formerPair(set.former, set.ca.certificate, situation);
        return withBundle({ ...set, former, phase: 'publishing', phaseSince: now }, situation);
      }
      case 'repair':
        return withBundle(set, situation);
      case 'publish':
        return { ...set, phase: 'publishing', phaseSince: now };
      case 'settle':
        return { ...set, phase: 'settling', phaseSince: now };
      case 'switch':
        return takeOver(set, now);
      case 'retire':
        return { ...set, caBundle: set.ca.certificate, phase: 'stable', phaseSince: undefined };
    }
  }

  /**
   * Issues a new CA and a new serving certificate.
   *
   * The usable CAs of the Secret and of the live CA bundle stay in the CA bundle until the rotation has finished,
   * because other replicas may still present certificates that these CAs have signed. If the live CA bundle verifies an
   * older serving certificate, the set keeps that certificate as `former`. A replica that starts during the rotation
   * can present it.
   */
  async function replace(before: CertificateSet | undefined, situation: Situation): Promise<CertificateSet> {
    const { now } = situation;
    const ca = await issuer.authority(options, now);
    const serving = await issuer.serving(options, ca, now);
    const caBundle = before?.caBundle ?? ca.certificate;
    const former = swap.formerPair(before?.serving, ca.certificate, situation);
    const begun = { phase: 'publishing', phaseSince: now } as const;
    return withBundle({ ca, serving, caBundle, nextCa: undefined, former, ...begun }, situation);
  }

  /**
   * Makes the next CA the current one. The previous CA stays in the CA bundle, because other replicas may still present
   * certificates that it has signed.
   */
  async function takeOver(set: CertificateSet, now: Date): Promise<CertificateSet> {
    const { nextCa } = set;
    const retiring = { ...set, nextCa: undefined, former: undefined, phase: 'retiring', phaseSince: now } as const;
    // A set without a next CA has the new CA as its current CA: the function `replace` issued it so, or another writer
    // stored the set. Then there is nothing to issue.
    if (nextCa === undefined) return retiring;
    const serving = await issuer.serving(options, nextCa, now);
    return { ...retiring, ca: nextCa, serving, caBundle: joinCertificates([nextCa.certificate, set.caBundle]) };
  }

  return { advance, replace };
}
