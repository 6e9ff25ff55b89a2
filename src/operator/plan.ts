import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { asPublished } from '../certs/bundle.ts';
import { phaseKey } from '../certs/ca-rotation.ts';
import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair } from '../certs/certificate-set.ts';
import { foreignProblem, fromSecret, type StoredSecret } from '../certs/secret.ts';
import { isPaused } from '../certs/secret-annotations.ts';
import { decideSecret, type SecretFindings } from '../certs/secret-step.ts';
import { waitingAuthority } from '../certs/serving-swap.ts';
import type { Situation } from '../certs/situation.ts';
import type { Config } from '../cli/config.ts';
import type { OperatorError } from '../lib/errors.ts';
import { joinCertificates, type Pem } from '../lib/pem.ts';
import { repairDelayMs } from '../lib/repair-limiter.ts';
import { matchConditions } from '../policy/cel.ts';
import { desiredRegistration } from '../registration/desired.ts';
import { driftReason } from '../registration/drift.ts';
import { decideRegistration, liveBundle, type RegistrationFindings } from '../registration/registration-step.ts';
import { lastWriter, specOf } from '../registration/webhook-spec.ts';
import type { CurrentCertificates, Memory } from './memory.ts';
import type { Observed } from './observe.ts';

/** A step or none, and why. */
export interface Planned<Step> {
  readonly reason: string;
  readonly step?: Step | undefined;
  /** Whether the step undoes what somebody else has done. Repairs are rate-limited. */
  readonly isRepair?: boolean;
  /** The other writer of the object, if one is known. */
  readonly writer?: string | undefined;
}

export interface Plan {
  readonly observed: Observed;
  /** Whether a person has paused all writes. */
  readonly isPaused: boolean;
  /** The certificates that were read, if they can be presented as they are. */
  readonly read: CurrentCertificates | undefined;
  /** The certificates to go by: those that were read, or the last good ones; `undefined` if there were never any. */
  readonly certificates: CurrentCertificates | undefined;
  readonly secret: Planned<SecretFindings> & { readonly findings?: SecretFindings };
  readonly registration: Planned<RegistrationFindings> & {
    readonly findings?: RegistrationFindings;
    /** What makes two publications the same, whatever others have added. */
    readonly fingerprint?: string;
  };
  /** `isFirst`: the endpoint presents nothing yet. */
  readonly presentation: Planned<CertificatePair> & { readonly isFirst?: boolean };
  /** Why something that is needed cannot even be tried. */
  readonly failure?: OperatorError | undefined;
}

/** Steps that are taken because of time or on request. Every other one repairs what somebody has done. */
const ordinary: ReadonlySet<string> = new Set(['due', 'restart', 'asked', 'settle', 'switch', 'retire']);

/** Steps that are decided once the certificates and the CA bundle are known to be good. */
const sound: ReadonlySet<string> = new Set(['adopt', 'publish', 'settle', 'switch', 'retire']);

/** Decides what a pass does: a step or none for each of Secret, registration and endpoint. Pure. */
export type Decide = (observed: Observed, memory: Memory) => Plan;

/** What each step is decided by. */
interface Sight {
  readonly config: Config;
  readonly logic: CertificateLogic;
  readonly observed: Observed;
  readonly memory: Memory;
  readonly live: V1MutatingWebhookConfiguration | undefined;
}

export function createDecide(config: Config, logic: CertificateLogic): Decide {
  return (observed, memory) => {
    const { registration } = observed;
    if ('error' in registration) {
      // Without the registration nothing is known of what API servers trust, so that nothing may change.
      const reason = 'unread';
      return { observed, ...unread(memory, registration.error), registration: { reason }, presentation: { reason } };
    }
    const sight = { config, logic, observed, memory, live: registration.value };
    const plan = planCertificates(sight);
    const { certificates } = plan;
    return {
      observed,
      ...plan,
      registration: certificates ? planRegistration(sight, certificates) : { reason: 'no-certificates' },
      presentation: certificates ? planPresentation(sight, certificates) : { reason: 'no-certificates' },
    };
  };
}

type CertificatePlan = Pick<Plan, 'isPaused' | 'read' | 'certificates' | 'secret' | 'failure'>;

const unread = ({ isPaused, lastGood }: Memory, failure: OperatorError): CertificatePlan => {
  return { isPaused, read: undefined, certificates: lastGood, secret: { reason: 'unread' }, failure };
};

function planCertificates(sight: Sight): CertificatePlan {
  const { config, memory, observed } = sight;
  const reading = observed.certificates;
  if ('error' in reading) {
    const plan = unread(memory, reading.error);
    // User-provided files say alone what is trusted.
    const isFromFiles = config.certificateDirectory !== undefined;
    return isFromFiles ? plan : { ...plan, certificates: withLive(sight, plan.certificates) };
  }
  if ('stored' in reading.value) return planSecret(sight, reading.value.stored);
  const { files } = reading.value;
  const certificates = { ...files, own: files.caBundle, waiting: undefined, until: undefined };
  return { isPaused: false, read: certificates, certificates, secret: { reason: 'files' } };
}

function planSecret(sight: Sight, stored: StoredSecret | undefined): CertificatePlan {
  const { config, logic, memory } = sight;
  const findings = decideSecret(logic, stored, situationOf(sight, stored));
  const { decision, isUsable } = findings;
  const current = isUsable ? currentOf(findings) : undefined;
  const pause = { isPaused: stored !== undefined && isPaused(stored) };
  if (decision.action === 'keep') {
    return { ...pause, read: current, certificates: current, secret: { reason: 'keep', findings } };
  }
  // The word for a step is the step itself if only time brings it.
  const reason = 'reason' in decision ? decision.reason : decision.action;
  // A Secret that was never there was deleted by nobody.
  const isFirst = stored === undefined && memory.lastGood === undefined;
  const isRepair = !isFirst && !ordinary.has(reason);
  const failure = foreignProblem(stored, `${config.namespace}/${config.secretName}`);
  const step = failure ? undefined : findings;
  const secret = { reason, step, isRepair, writer: stored?.otherWriter, findings };
  const read = step && isUsedMeanwhile(sight, step, { ...pause, isRepair }) ? current : undefined;
  return { ...pause, read, certificates: withLive(sight, read ?? memory.lastGood), secret, failure };
}

/**
 * Whether the certificates that were read are used although they need a step. Certificates that the step should replace
 * must be neither published nor presented if it fails. While it is held, all replicas go by what the Secret holds.
 */
function isUsedMeanwhile(
  { memory, observed }: Sight,
  { decision }: SecretFindings,
  { isPaused, isRepair }: { readonly isPaused: boolean; readonly isRepair: boolean },
): boolean {
  if (isPaused || sound.has(decision.action)) return true;
  return isRepair ? repairDelayMs(memory.repairs.secret, observed.now) > 0 : memory.lastGood === undefined;
}

/** Until the Secret is as it should be, others may need a CA that this replica does not know of. */
function withLive({ logic, observed, memory, live }: Sight, certificates: CurrentCertificates | undefined) {
  if (certificates === undefined) return undefined;
  const { presented } = memory;
  const others = logic.usableAuthorities(liveBundle(live) ?? ('' as Pem), { now: observed.now, presented });
  return { ...certificates, caBundle: joinCertificates([certificates.caBundle, ...others]) };
}

const currentOf = ({ set, decision }: SecretFindings): CurrentCertificates | undefined =>
  set && {
    serving: set.serving,
    caBundle: set.caBundle,
    own: set.caBundle,
    waiting: waitingAuthority(set),
    until: decision.action === 'keep' ? decision.until : undefined,
  };

function situationOf({ observed, memory, live }: Sight, stored: StoredSecret | undefined): Situation {
  const { now, phase, uptimeMs } = observed;
  const isServing = phase !== 'starting';
  const key = stored && phaseKey(fromSecret(stored));
  const sinceMs = key === memory.phaseSeen?.key ? memory.phaseSeen?.sinceMs : undefined;
  return {
    now,
    // A new key takes longer than all the rest of a start.
    restartedAt: phase === 'running' ? memory.restartedAt : undefined,
    liveBundle: liveBundle(live),
    // No API server was sent to a replica that starts, so that what it presents need not keep its trust.
    presented: isServing ? memory.presented : undefined,
    phaseSeenMs: key === undefined ? undefined : uptimeMs - (sinceMs ?? uptimeMs),
  };
}

function planRegistration(
  { config, observed, memory, live }: Sight,
  { caBundle, own }: CurrentCertificates,
): Plan['registration'] {
  const { namespaceSelector } = observed.policy;
  const options = { ...config.registration, namespaceSelector };
  const content = {
    caBundle: asPublished(caBundle, liveBundle(live)),
    matchConditions: matchConditions(observed.policy),
  };
  const desired = desiredRegistration(options, content, live);
  const findings = decideRegistration(live, desired, observed.isLeaseHolder === true);
  const spec = findings.scope === 'whole' ? [specOf(desired.webhooks[0]), namespaceSelector] : undefined;
  const fingerprint = JSON.stringify([own, spec]);
  return {
    reason: findings.isDrifted ? driftReason(findings.drift) : 'unchanged',
    step: findings.isDrifted ? findings : undefined,
    // What differs from what this replica has published itself was changed by somebody: other replicas write the same.
    isRepair: memory.published[findings.scope] === fingerprint,
    writer: lastWriter(live, desired),
    findings,
    fingerprint,
  };
}

function planPresentation(
  { logic, observed: { now, phase }, memory: { presented }, live }: Sight,
  { serving, waiting }: CurrentCertificates,
): Plan['presentation'] {
  // At a start no API server was told to call this replica yet, so it waits for none.
  const candidate = { serving, waiting: phase === 'starting' ? undefined : waiting };
  const reason = logic.decidePresentation(candidate, { now, presented, liveBundle: liveBundle(live) });
  return { reason, step: reason === 'present' ? serving : undefined, isFirst: presented === undefined };
}
