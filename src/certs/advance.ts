import { joinCertificates, splitCertificates } from '../lib/pem.ts';
import { usableAuthorities } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { Circumstances, Verdict } from './decide.ts';
import { issueCertificateAuthority, issueServingCertificate } from './issue.ts';
import type { IssueReasons } from './secret.ts';

/** A set, and why its parts were issued. */
export interface Explained {
  readonly set: CertificateSet;
  readonly reasons: IssueReasons;
}

/** A step that changes the set. */
export type Step = Exclude<Verdict, { readonly action: 'keep' | 'recreate' | 'replace' }>;

/**
 * Takes one step of the life of a certificate set.
 *
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`
 */
export async function advance(
  { set, reasons }: Explained,
  step: Step,
  options: CertificateOptions,
  circumstances: Circumstances,
): Promise<Explained> {
  const { now } = circumstances;
  switch (step.action) {
    case 'renew': {
      const serving = await issueServingCertificate(options, set.ca, now);
      return { set: { ...set, serving }, reasons: { ...reasons, serving: step.reason } };
    }
    case 'announce': {
      const nextCa = await issueCertificateAuthority(options, now);
      const announced = { ...set, nextCa, phase: 'publishing', phaseSince: now } as const;
      return { set: withBundle(announced, options, circumstances), reasons: { ...reasons, 'next-ca': step.reason } };
    }
    case 'adopt':
      return { set: withBundle({ ...set, phase: 'publishing', phaseSince: now }, options, circumstances), reasons };
    case 'mend':
      return { set: withBundle(set, options, circumstances), reasons };
    case 'publish':
      return { set: { ...set, phase: 'publishing', phaseSince: now }, reasons };
    case 'settle':
      return { set: { ...set, phase: 'settling', phaseSince: now }, reasons };
    case 'switch':
      return takeOver({ set, reasons }, options, now);
    case 'retire':
      return { set: { ...set, caBundle: set.ca.certificate, phase: 'stable', phaseSince: undefined }, reasons };
  }
}

/**
 * A set that shares nothing with the one before but trust: replicas may still present what an authority of the live
 * bundle has signed, so those stay in the bundle until the rotation is over.
 *
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`
 */
export async function replaced(
  before: CertificateSet | undefined,
  options: CertificateOptions,
  { now, liveBundle, presented }: Circumstances,
): Promise<CertificateSet> {
  const ca = await issueCertificateAuthority(options, now);
  const serving = await issueServingCertificate(options, ca, now);
  const known = joinCertificates([before?.caBundle ?? '', liveBundle ?? '']);
  const previous = usableAuthorities(known, options, now, { presented });
  const isFirst = previous.length === 0;
  return {
    ca,
    serving,
    caBundle: joinCertificates([ca.certificate, ...previous]),
    nextCa: undefined,
    phase: isFirst ? 'stable' : 'publishing',
    phaseSince: isFirst ? undefined : now,
  };
}

/** The next authority signs from now on; what it replaces is trusted until nobody presents its certificates any more. */
async function takeOver({ set, reasons }: Explained, options: CertificateOptions, now: Date): Promise<Explained> {
  const retiring = { ...set, nextCa: undefined, phase: 'retiring', phaseSince: now } as const;
  // Without a next one the current authority is itself the new one: it came in the place of one that was lost.
  if (set.nextCa === undefined) return { set: retiring, reasons };
  const serving = await issueServingCertificate(options, set.nextCa, now);
  const caBundle = joinCertificates([set.nextCa.certificate, set.caBundle]);
  const reason = reasons['next-ca'];
  return {
    set: { ...retiring, ca: set.nextCa, serving, caBundle },
    reasons: { ...reasons, ca: reason, serving: reason },
  };
}

/** The bundle as it should be: the current authority, the next one, and those that replicas may still need. */
function withBundle(
  set: CertificateSet,
  options: CertificateOptions,
  { now, liveBundle, presented }: Circumstances,
): CertificateSet {
  const own = splitCertificates(joinCertificates([set.ca.certificate, set.nextCa?.certificate ?? '']));
  const known = joinCertificates([set.caBundle, set.phase === 'stable' ? '' : (liveBundle ?? '')]);
  const caBundle = joinCertificates([...own, ...usableAuthorities(known, options, now, { own, presented })]);
  const isAlone = caBundle === joinCertificates([set.ca.certificate]);
  return { ...set, caBundle, ...(isAlone ? { phase: 'stable', phaseSince: undefined } : {}) };
}
