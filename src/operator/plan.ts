import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { asPublished } from '../certs/bundle.ts';
import { phaseKey } from '../certs/ca-rotation.ts';
import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair } from '../certs/certificate-set.ts';
import { fromSecret, type StoredSecret } from '../certs/secret.ts';
import { isPaused } from '../certs/secret-annotations.ts';
import { deletionProblem, foreignProblem } from '../certs/secret-ownership.ts';
import { decideSecret, type SecretFindings } from '../certs/secret-step.ts';
import { waitingAuthority } from '../certs/serving-swap.ts';
import type { Situation } from '../certs/situation.ts';
import type { Config } from '../cli/config.ts';
import type { OperatorError } from '../lib/errors.ts';
import { joinCertificates, type Pem, splitCertificates } from '../lib/pem.ts';
import { repairDelayMs } from '../lib/repair-limiter.ts';
import { matchConditions } from '../policy/cel.ts';
import { desiredRegistration } from '../registration/desired.ts';
import { driftReason } from '../registration/drift.ts';
import { decideRegistration, liveBundle, type RegistrationFindings } from '../registration/registration-step.ts';
import { lastWriter, specOf } from '../registration/webhook-spec.ts';
import type { CurrentCertificates, Memory } from './memory.ts';
import type { Observed } from './observe.ts';

/** A step of one pass, if one is needed. `reason` says why a step is needed, or why none is. */
export interface Planned<Step> {
  readonly reason: string;
  readonly step?: Step | undefined;
  /** Whether the step reverts a change of another writer. Repairs are rate-limited. */
  readonly isRepair?: boolean;
  /** The other writer of the object, if one is known. */
  readonly writer?: string | undefined;
}

/** The steps of one pass, before rate limits and the pause are applied. */
export interface Plan {
  readonly observed: Observed;
  /** Whether the paused annotation of the Secret forbids writes. */
  readonly isPaused: boolean;
  /** The certificates that were read, if the daemon may publish and present them in this pass. */
  readonly read: CurrentCertificates | undefined;
  /** The certificates to publish and present: `read`, or else the last valid ones; `undefined` without either. */
  readonly certificates: CurrentCertificates | undefined;
  readonly secret: Planned<SecretFindings> & { readonly findings?: SecretFindings };
  readonly registration: Planned<RegistrationFindings> & {
    readonly findings?: RegistrationFindings;
    /** Equal fingerprints mean that the daemon wants the same CAs and spec. Additions by other writers do not count. */
    readonly fingerprint?: string;
  };
  /** `isFirst`: the endpoint presents no certificate yet. */
  readonly presentation: Planned<CertificatePair> & { readonly isFirst?: boolean };
  /** Why a needed step cannot be tried. */
  readonly failure?: OperatorError | undefined;
}

/**
 * Reasons of steps that are due, that a user has requested, or that continue a CA rotation. A step with any other
 * reason counts as a repair, except the step that creates the first Secret of the install.
 */
const ordinary: ReadonlySet<string> = new Set(['due', 'restart', 'asked', 'settle', 'switch', 'retire']);

/** Actions that leave the stored serving certificate usable, so that it is published and presented meanwhile. */
const sound: ReadonlySet<string> = new Set(['adopt', 'publish', 'settle', 'switch', 'retire']);

/** Plans the steps of one pass for the Secret, the registration and the endpoint. Pure. */
export type Decide = (observed: Observed, memory: Memory) => Plan;

/** The input of the functions that plan the steps of one pass. */
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
      // Without the registration the daemon does not know which CAs the API servers trust, so it changes nothing.
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
    // With user-provided files, only the CAs in the files are trusted.
    const isFromFiles = config.certificateDirectory !== undefined;
    return isFromFiles ? plan : { ...plan, certificates: withLive(sight, plan.certificates) };
  }
  if ('stored' in reading.value) return planSecret(sight, reading.value.stored);
  const { files } = reading.value;
  const certificates = { ...files, own: files.caBundle, waiting: undefined, until: undefined };
  return { isPaused: false, read: certificates, certificates, secret: { reason: 'files' } };
}

function planSecret(sight: Sight, stored: StoredSecret | undefined): CertificatePlan {
  const { logic, memory } = sight;
  const { kept } = memory;
  const findings = decideSecret(logic, { read: stored, kept }, situationOf(sight, stored ?? kept));
  const { decision, isUsable } = findings;
  const current = isUsable ? currentOf(findings) : undefined;
  const pause = { isPaused: stored !== undefined && isPaused(stored) };
  if (decision.action === 'keep') {
    const certificates = withRecent(sight, findings, current);
    return { ...pause, read: current, certificates, secret: { reason: 'keep', findings } };
  }
  // A step of a CA rotation has no reason of its own, so its action is the reason.
  const reason = 'reason' in decision ? decision.reason : decision.action;
  // The first Secret of an install is created, not repaired.
  const isFirst = stored === undefined && memory.lastGood === undefined;
  const isRepair = !isFirst && !ordinary.has(reason);
  const failure = writeProblem(sight, stored, findings);
  const step = failure ? undefined : findings;
  const secret = { reason, step, isRepair, writer: stored?.otherWriter, findings };
  const read = step && isUsedMeanwhile(sight, step, { ...pause, isRepair }) ? current : undefined;
  return { ...pause, read, certificates: withLive(sight, read ?? memory.lastGood), secret, failure };
}

/** Returns the error that forbids the step; `undefined` if the Secret can be written. */
function writeProblem(sight: Sight, stored: StoredSecret | undefined, findings: SecretFindings) {
  const reference = `${sight.config.namespace}/${sight.config.secretName}`;
  const foreign = isTrusted(sight, findings) ? undefined : foreignProblem(stored, reference);
  return foreign ?? deletionProblem(stored, reference);
}

/**
 * Returns whether API servers trust the stored serving certificate now, and the step keeps its CA. Then the Secret is from
 * a daemon of this install, so its label does not matter: a policy of the cluster can change the label of each object.
 */
const isTrusted = ({ logic, observed, live }: Sight, { set, decision }: SecretFindings): boolean =>
  set !== undefined &&
  decision.action !== 'replace' &&
  logic.canPresent(set.serving, liveBundle(live) ?? ('' as Pem), observed.now);

/**
 * Returns whether the daemon publishes and presents the stored certificates while a write of the Secret is pending:
 *
 * - yes, if the write keeps them usable;
 * - yes, if the write is paused or rate-limited, so that all replicas use the same certificates;
 * - yes, if the write is no repair, and this replica has no valid certificates in memory.
 *
 * Otherwise the daemon uses the last valid certificates until the write succeeds.
 */
function isUsedMeanwhile(
  { memory, observed }: Sight,
  { decision }: SecretFindings,
  { isPaused, isRepair }: { readonly isPaused: boolean; readonly isRepair: boolean },
): boolean {
  if (isPaused || sound.has(decision.action)) return true;
  return isRepair ? repairDelayMs(memory.repairs.secret, observed.now) > 0 : memory.lastGood === undefined;
}

/**
 * Returns the certificates, with the usable CAs of the live CA bundle added to their CA bundle. While the Secret needs
 * a step or has just changed, other replicas may present serving certificates that these CAs have signed.
 */
function withLive({ logic, observed, memory, live }: Sight, certificates: CurrentCertificates | undefined) {
  if (certificates === undefined) return undefined;
  const { caBundle } = certificates;
  const situation = { now: observed.now, presented: memory.presented };
  const others = logic.usableAuthorities(liveBundle(live) ?? ('' as Pem), situation, splitCertificates(caBundle));
  return { ...certificates, caBundle: joinCertificates([caBundle, ...others]) };
}

/**
 * Returns the certificates of a Secret that needs no step, with the usable CAs of the live CA bundle until this process has
 * known the state of the Secret for the settle time. A new state can be a backup, or be written by a replica that did not
 * know the CA which others use. A replica that presents a certificate of that CA puts the CA into the Secret again meanwhile.
 */
function withRecent(sight: Sight, { situation }: SecretFindings, certificates: CurrentCertificates | undefined) {
  const { phaseSeenMs = 0 } = situation;
  return phaseSeenMs >= sight.config.certificates.settleMs ? certificates : withLive(sight, certificates);
}

const currentOf = ({ set, decision }: SecretFindings): CurrentCertificates | undefined =>
  set && {
    serving: set.serving,
    caBundle: set.caBundle,
    own: set.caBundle,
    // The step `adopt` begins the phase `publishing`.
    waiting: decision.action === 'adopt' ? set.ca.certificate : waitingAuthority(set),
    former: set.former,
    until: decision.action === 'keep' ? decision.until : undefined,
  };

function situationOf({ observed, memory, live }: Sight, stored: StoredSecret | undefined): Situation {
  const { now, phase, uptimeMs } = observed;
  const isServing = phase !== 'starting';
  const key = stored && phaseKey(fromSecret(stored));
  const sinceMs = key === memory.phaseSeen?.key ? memory.phaseSeen?.sinceMs : undefined;
  return {
    now,
    // `--rotate-on-start` applies after the start, because the start must not wait for a new key.
    restartedAt: phase === 'running' ? memory.restartedAt : undefined,
    liveBundle: liveBundle(live),
    // A starting replica is not ready, so API servers do not need to trust the certificate that it presents.
    presented: isServing ? memory.presented : undefined,
    presentedKey: isServing ? memory.presentedKey : undefined,
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
    // If this replica has published the desired settings before, and the live settings differ from them, another
    // writer has changed the live settings since.
    isRepair: memory.published[findings.scope] === fingerprint,
    writer: lastWriter(live, desired),
    findings,
    fingerprint,
  };
}

function planPresentation(
  { logic, observed: { certificates, now, phase }, memory: { presented }, live }: Sight,
  { serving, waiting, former }: CurrentCertificates,
): Plan['presentation'] {
  const isStarting = phase === 'starting';
  const bundle = liveBundle(live) ?? ('' as Pem);
  const situation = { now, presented, liveBundle: bundle };
  // The certificates in memory can come from a Secret that has changed since, with a CA that API servers may not trust yet.
  if ('error' in certificates && presented && logic.isVerified(presented, bundle, now)) return { reason: 'unread' };
  const isFormer = isStarting && waiting !== undefined && logic.isFormer(former, waiting, situation);
  const pair = isFormer && former ? former : serving;
  // A starting replica is not ready, so it does not wait for the settle time before it presents a certificate of a new
  // CA.
  const reason = logic.decidePresentation({ serving: pair, waiting: isStarting ? undefined : waiting }, situation);
  return { reason, step: reason === 'present' ? pair : undefined, isFirst: presented === undefined };
}
