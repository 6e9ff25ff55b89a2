import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { asPublished } from '../certs/bundle.ts';
import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair } from '../certs/certificate-set.ts';
import type { CertificateDecision } from '../certs/decide.ts';
import { decideSecret, type SecretFindings } from '../certs/reconcile.ts';
import { phaseKey } from '../certs/rotation.ts';
import { foreignProblem, fromSecret, isPaused, type StoredSecret } from '../certs/secret.ts';
import { waitingAuthority } from '../certs/serving-swap.ts';
import type { Situation } from '../certs/situation.ts';
import type { Config } from '../cli/config.ts';
import type { OperatorError } from '../lib/errors.ts';
import { joinCertificates, type Pem } from '../lib/pem.ts';
import { matchConditions } from '../policy/cel.ts';
import { desiredRegistration } from '../registration/desired.ts';
import { driftReason } from '../registration/drift.ts';
import { decideRegistration, liveBundle, type RegistrationFindings } from '../registration/reconcile.ts';
import { lastWriter, specOf } from '../registration/webhook-spec.ts';
import type { CurrentCertificates, Memory } from './memory.ts';
import type { Observed } from './observe.ts';

/** A step or none, and why. */
export interface Planned<Step> {
  readonly step: Step | undefined;
  readonly reason: string;
  /** Whether the step undoes what somebody else has done. Repairs are rate-limited. */
  readonly isRepair: boolean;
  /** The other writer of the object, if one is known. */
  readonly writer: string | undefined;
}

export interface Plan {
  readonly observed: Observed;
  /** Whether a person has paused all writes. */
  readonly isPaused: boolean;
  /** The certificates that were read, if they can be presented. */
  readonly read: CurrentCertificates | undefined;
  /** The certificates to go by: those that were read, or the last good ones; `undefined` if there were never any. */
  readonly certificates: CurrentCertificates | undefined;
  readonly secret: Planned<SecretFindings> & { readonly findings: SecretFindings | undefined };
  readonly registration: Planned<RegistrationFindings> & {
    readonly findings: RegistrationFindings | undefined;
    /** What makes two publications the same, whatever others have added. */
    readonly fingerprint: string | undefined;
  };
  readonly presentation: Planned<CertificatePair> & {
    /** Whether the endpoint presents nothing yet. */
    readonly isFirst: boolean;
  };
  /** Why something that is needed cannot even be tried. */
  readonly failure: OperatorError | undefined;
}

/** Steps that are taken because of time or on request. Every other one repairs what somebody has done. */
const ordinary: ReadonlySet<string> = new Set(['due', 'restart', 'asked', 'settle', 'switch', 'retire']);

/** The word for a step: its reason, or the step itself if only time brings it. */
export const reasonOf = (decision: CertificateDecision): string =>
  'reason' in decision ? decision.reason : decision.action;

const none = (reason: string) => ({ step: undefined, reason, isRepair: false, writer: undefined });

const noPresentation = (reason: string) => ({ ...none(reason), isFirst: false });

/** Decides what a pass does: a step or none for each of Secret, registration and endpoint. Pure. */
export type Decide = (observed: Observed, memory: Memory) => Plan;

export function createDecide(config: Config, logic: CertificateLogic): Decide {
  const decideCertificates = createDecideCertificates(config, logic);
  return (observed, memory) => {
    const { registration } = observed;
    if ('error' in registration) return unread(observed, memory, registration.error);
    const live = registration.value;
    const certified = decideCertificates(observed, memory, live);
    const { certificates } = certified;
    return {
      observed,
      ...certified,
      registration: certificates
        ? planRegistration({ config, observed, memory }, certificates, live)
        : { ...none('no-certificates'), findings: undefined, fingerprint: undefined },
      presentation: certificates
        ? planPresentation({ logic, observed, memory }, certificates, live)
        : noPresentation('no-certificates'),
    };
  };
}

interface PresentationSight {
  readonly logic: CertificateLogic;
  readonly observed: Observed;
  readonly memory: Memory;
}

function planPresentation(
  { logic, observed: { now, phase }, memory: { presented } }: PresentationSight,
  { serving, waiting }: CurrentCertificates,
  live: Live,
): Plan['presentation'] {
  // At a start no API server was told to call this replica yet, so it waits for none.
  const candidate = { serving, waiting: phase === 'running' ? waiting : undefined };
  const reason = logic.decidePresentation(candidate, { now, presented, liveBundle: liveBundle(live) });
  return { ...none(reason), step: reason === 'present' ? serving : undefined, isFirst: presented === undefined };
}

/** Without the registration nothing is known of what API servers trust, so that nothing may change. */
const unread = (observed: Observed, { isPaused, lastGood }: Memory, failure: OperatorError): Plan => ({
  observed,
  isPaused,
  read: undefined,
  certificates: lastGood,
  secret: { ...none('unread'), findings: undefined },
  registration: { ...none('unread'), findings: undefined, fingerprint: undefined },
  presentation: noPresentation('unread'),
  failure,
});

type CertificatePlan = Pick<Plan, 'isPaused' | 'read' | 'certificates' | 'secret' | 'failure'>;

function createDecideCertificates({ namespace, secretName, certificateDirectory }: Config, logic: CertificateLogic) {
  return (observed: Observed, memory: Memory, live: Live): CertificatePlan => {
    const { certificates: reading } = observed;
    if ('error' in reading) return unreadable(reading.error);
    if ('stored' in reading.value) return fromStored(reading.value.stored);
    const { files } = reading.value;
    const certificates = { ...files, own: files.caBundle, waiting: undefined, until: undefined };
    const secret = { ...none('files'), findings: undefined };
    return { isPaused: false, read: certificates, certificates, secret, failure: undefined };

    function fromStored(stored: StoredSecret | undefined): CertificatePlan {
      const findings = decideSecret(logic, stored, situationOf({ observed, memory, live }, stored));
      const isPausedNow = stored !== undefined && isPaused(stored);
      const read = findings.isUsable ? currentOf(findings) : undefined;
      if (findings.decision.action === 'keep') {
        const secret = { ...none('keep'), findings };
        return { isPaused: isPausedNow, read, certificates: read, secret, failure: undefined };
      }
      const failure = foreignProblem(stored, `${namespace}/${secretName}`);
      const planned = planStep(findings, memory);
      const secret = { ...planned, findings, ...(failure ? { step: undefined } : {}) };
      const certificates = withLive(read ?? memory.lastGood);
      return { isPaused: isPausedNow, read, certificates, secret, failure };
    }
    function unreadable(failure: OperatorError): CertificatePlan {
      const { isPaused, lastGood } = memory;
      // User-provided files say alone what is trusted.
      const certificates = certificateDirectory === undefined ? withLive(lastGood) : lastGood;
      const secret = { ...none('unread'), findings: undefined };
      return { isPaused, read: undefined, certificates, secret, failure };
    }
    /** Until the Secret is as it should be, others may need a CA that this replica does not know of. */
    function withLive(certificates: CurrentCertificates | undefined): CurrentCertificates | undefined {
      if (certificates === undefined) return undefined;
      const { presented } = memory;
      const others = logic.usableAuthorities(liveBundle(live) ?? ('' as Pem), { now: observed.now, presented });
      return { ...certificates, caBundle: joinCertificates([certificates.caBundle, ...others]) };
    }
  };
}

type Live = V1MutatingWebhookConfiguration | undefined;

function planStep(step: SecretFindings, { lastGood }: Memory): Planned<SecretFindings> {
  const { stored, decision } = step;
  const reason = reasonOf(decision);
  // A Secret that was never there was deleted by nobody.
  const isFirst = stored === undefined && lastGood === undefined;
  return { step, reason, isRepair: !isFirst && !ordinary.has(reason), writer: stored?.otherWriter };
}

const currentOf = ({ set, decision }: SecretFindings): CurrentCertificates | undefined =>
  set && {
    serving: set.serving,
    caBundle: set.caBundle,
    own: set.caBundle,
    waiting: waitingAuthority(set),
    until: decision.action === 'keep' ? decision.until : undefined,
  };

interface Sight {
  readonly observed: Observed;
  readonly memory: Memory;
  readonly live: Live;
}

function situationOf({ observed, memory, live }: Sight, stored: StoredSecret | undefined): Situation {
  const { now, phase, uptimeMs } = observed;
  const isRunning = phase === 'running';
  const key = stored && phaseKey(fromSecret(stored));
  const sinceMs = key === memory.phaseSeen?.key ? memory.phaseSeen?.sinceMs : undefined;
  return {
    now,
    // A new key takes longer than all the rest of a start.
    restartedAt: isRunning ? memory.restartedAt : undefined,
    liveBundle: liveBundle(live),
    // No API server was sent to a replica that starts, so that what it presents need not keep its trust.
    presented: isRunning ? memory.presented : undefined,
    phaseSeenMs: key === undefined ? undefined : uptimeMs - (sinceMs ?? uptimeMs),
  };
}

interface RegistrationSight {
  readonly config: Config;
  readonly observed: Observed;
  readonly memory: Memory;
}

function planRegistration(
  { config, observed, memory }: RegistrationSight,
  certificates: CurrentCertificates,
  live: Live,
): Plan['registration'] {
  const bundle = asPublished(certificates.caBundle, liveBundle(live));
  const { namespaceSelector } = observed.policy;
  const options = { ...config.registration, namespaceSelector };
  const desired = desiredRegistration(
    options,
    { caBundle: bundle, matchConditions: matchConditions(observed.policy) },
    live,
  );
  const findings = decideRegistration(live, desired, observed.isLeaseHolder);
  const spec = findings.scope === 'whole' ? [specOf(desired.webhooks[0]), namespaceSelector] : undefined;
  const fingerprint = JSON.stringify([certificates.own, spec]);
  return {
    step: findings.isDrifted ? findings : undefined,
    reason: findings.isDrifted ? driftReason(findings.drift) : 'unchanged',
    // What differs from what this replica has published itself was changed by somebody: other replicas write the same.
    isRepair: memory.published === fingerprint,
    writer: lastWriter(live, desired),
    findings,
    fingerprint,
  };
}
