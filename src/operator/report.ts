import { isAhead } from '../certs/ca-rotation.ts';
import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificateSet } from '../certs/certificate-set.ts';
import type { CertificateDecision } from '../certs/decide.ts';
import { reasons } from '../certs/reason-texts.ts';
import { misunderstood } from '../certs/secret-annotations.ts';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../certs/secret-ownership.ts';
import { parseCertificate, renewalMoment, replacementMoment } from '../certs/x509.ts';
import type { Config } from '../cli/config.ts';
import type { Log } from '../lib/log.ts';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import { describeValue } from '../lib/text.ts';
import { driftReason, registrationReasons } from '../registration/drift.ts';
import type { EventReason, Events } from '../telemetry/events.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { PassOutcome } from './apply.ts';
import type { LimitedPlan, WriteHold } from './limit.ts';
import type { Memory } from './memory.ts';

/** The log, metrics and Events to which the daemon reports. */
export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly events: Events;
}

const OURS = MANAGED_BY[MANAGED_BY_LABEL];

/** Reports the outcome of a pass to log, metrics and Events. */
export type Report = (outcome: PassOutcome, memory: Memory) => void;

export function createReport(telemetry: Telemetry, config: Config, logic: CertificateLogic): Report {
  const { log, metrics, events } = telemetry;
  const { name } = config.registration;
  const secret = `${config.namespace}/${config.secretName}`;
  let left = '';
  let manager: string | undefined = OURS;

  /**
   * Logs once, not in every pass, which fields of the live webhook differ from the settings of this replica and are
   * left to the Lease holder. During a rollout such a difference is normal.
   */
  function reportSpecOfHolder({ registration, observed }: LimitedPlan): void {
    // Log no difference before the first check of the Lease, because this replica may become the holder and write the
    // fields.
    const fields = observed.isLeaseHolder === false ? (registration.findings?.leftToHolder ?? []) : [];
    if (fields.length > 0 && left !== fields.join())
      log.info('webhook settings differ from this replica, left to the lease holder', { name, fields });
    left = fields.join();
  }
  /** Reports another managed-by label once, with the pass that first reads it: at once after each write. */
  function reportLabel({ secret: { findings } }: LimitedPlan): void {
    if (findings?.stored === undefined) return;
    const { labels, otherWriter: writer } = findings.stored;
    const found = labels[MANAGED_BY_LABEL];
    if (found !== OURS && found !== manager) {
      log.warn('managed-by label of the Secret differs', { secret, found, writer });
      const note = `the label ${MANAGED_BY_LABEL} of the Secret is ${describeValue(found)}, not ${OURS}: find the writer or the policy that changes it`;
      events.emit({ type: 'Warning', action: 'read-secret', reason: 'label-changed', note });
    }
    manager = found;
  }
  return (outcome, memory) => {
    const { plan, presented } = outcome;
    if ('value' in plan.observed.registration) metrics.registrationRead(plan.observed.now);
    reportSecret(telemetry, outcome, secret);
    reportLabel(plan);
    reportRegistration(telemetry, outcome, name);
    for (const object of ['secret', 'registration'] as const) reportConflict(telemetry, plan, object);
    reportSpecOfHolder(plan);
    // The first certificate of the endpoint replaces no other certificate, so it is not logged as a swap.
    if (presented !== undefined && !plan.presentation.isFirst)
      log.info('serving certificate swapped', describeCertificate(presented.certificate));
    recordCertificates(telemetry, memory, { config, logic, now: plan.observed.now });
  };
}

function reportSecret(
  telemetry: Telemetry,
  { plan, secret: { result, value: written } }: PassOutcome,
  secret: string,
): void {
  const { findings } = plan.secret;
  if (findings === undefined) return;
  const { log, events } = telemetry;
  const { stored, set, decision, isUsable } = findings;
  const word = stored && misunderstood(stored);
  if (word !== undefined) reportMisunderstood(telemetry, word, secret);
  const current = written ?? set;
  if (current && (written || isUsable)) reportClocks(telemetry, current, plan.observed.now);
  if (current && (written || decision.action === 'keep')) reportDecision(telemetry, decision, { secret, set: current });
  const by = plan.held.secret?.by;
  if (result !== 'held' || by === undefined || !isUsable) return;
  const { action } = decision;
  const { reason } = plan.secret;
  log.warn('secret write delayed', { secret, held: by, action, reason });
  const note = `the Secret needs a write (${action}, ${reason}), but the write is delayed: ${heldNotes[by]}`;
  events.emit({ type: 'Warning', action, reason: by, note });
}

function reportDecision(
  { log, metrics, events }: Telemetry,
  decision: CertificateDecision,
  { secret, set }: { readonly secret: string; readonly set: CertificateSet },
): void {
  metrics.certificatesDecided(decision);
  const { action, ...why } = decision;
  const { notAfter, fingerprint } = describeCertificate(set.serving.certificate);
  const fields = { secret, action, phase: set.phase, ...why, notAfter, fingerprint };
  if (action === 'keep') {
    log.debug('certificates kept', fields);
    return;
  }
  log.info(stepMessages[action], fields);
  const because = 'reason' in decision ? `: ${reasons[decision.reason]}` : '';
  const reason: EventReason = 'reason' in decision ? decision.reason : decision.action;
  const note = `${stepNotes[action]}${because}. The serving certificate is valid until ${notAfter?.toISOString()}.`;
  events.emit({ type: 'Normal', action, reason, note });
}

function reportMisunderstood({ log, events }: Telemetry, found: string, secret: string): void {
  // Shorten the value, because an annotation can have 256 KiB and every pass logs it.
  const shown = describeValue(found);
  log.warn('invalid value in the rotate annotation', { secret, found: shown, allowed: ['serving', 'ca'] });
  const note = `annotation terraform.job.kb.io/rotate: invalid value ${shown}: must be serving or ca`;
  events.emit({ type: 'Warning', action: 'rotate', reason: 'invalid-annotation', note });
}

/**
 * Tolerated clock difference between two replicas: if a rotation phase begins at most this long after the time of the
 * pass, no warning is logged. Another replica may also have begun the phase during the pass.
 */
const UNHEEDED_MS = 5_000;

function reportClocks({ log, events }: Telemetry, { phaseSince }: CertificateSet, now: Date): void {
  if (!isAhead(phaseSince, new Date(now.getTime() + UNHEEDED_MS))) return;
  log.warn('clock skew: a rotation phase begins in the future', { phaseSince, now });
  const since = phaseSince?.toISOString();
  const note = `a phase of the rotation begins at ${since}, in the future of this replica: check the clocks of the nodes`;
  events.emit({ type: 'Warning', action: 'rotate', reason: 'clocks-differ', note });
}

function reportRegistration({ log, metrics, events }: Telemetry, outcome: PassOutcome, name: string): void {
  const { findings } = outcome.plan.registration;
  const result = findings && registrationResult(outcome, findings.live !== undefined);
  if (findings === undefined || result === undefined) return;
  const { drift } = findings;
  const reason = driftReason(drift);
  metrics.registered(result, result === 'unchanged' ? '' : reason);
  if (result === 'unchanged') return;
  const message = result === 'created' ? 'webhook configuration created' : 'webhook configuration updated';
  if (result === 'held') log.warn('webhook configuration write delayed', { name, reason, drift });
  else log.info(message, { name, reason, drift });
  const fields = reason === 'drift' ? ` (${drift.join(', ')})` : '';
  const what = result === 'held' ? 'must be written, but the write is delayed' : `was ${result}`;
  const note = `MutatingWebhookConfiguration ${name} ${what}: ${registrationReasons[reason]}${fields}`;
  events.emit({ type: result === 'held' ? 'Warning' : 'Normal', action: result, reason, note });
}

/** Returns the metric label for the registration step, or `undefined` if the step was skipped, lost or has failed. */
function registrationResult({ registration: { result } }: PassOutcome, isLive: boolean) {
  if (result === 'written') return isLive ? 'updated' : 'created';
  if (result === 'none') return 'unchanged';
  return result === 'held' ? 'held' : undefined;
}

function reportConflict({ log, metrics, events }: Telemetry, plan: LimitedPlan, object: 'secret' | 'registration') {
  const held = plan.held[object];
  if (held?.by !== 'conflict') return;
  const { writer = 'unknown' } = plan[object];
  metrics.repairThrottled(object);
  log.warn('repair rate-limited: another writer keeps reverting it', { object, writer, waitMs: held.delayMs });
  const note = `another writer (${writer}) keeps reverting repairs of the ${object}: find and stop that writer`;
  events.emit({ type: 'Warning', action: `repair-${object}`, reason: 'conflict', note });
}

function recordCertificates(
  { metrics }: Telemetry,
  { lastGood, presented, liveBundle = '' as Pem }: Memory,
  { config, logic, now }: { readonly config: Config; readonly logic: CertificateLogic; readonly now: Date },
): void {
  if (lastGood === undefined) return;
  const parsed = (pem: Pem) => splitCertificates(pem).flatMap((one) => parseCertificate(one) ?? []);
  const dueAt = config.certificateDirectory === undefined ? renewalMoment : replacementMoment;
  for (const [name, pem] of Object.entries({ serving: lastGood.serving.certificate, ca: lastGood.caBundle })) {
    const [first] = parsed(pem);
    if (first === undefined) continue;
    metrics.notAfter(name as 'serving' | 'ca', first.validToDate);
    metrics.renewalDue(name as 'serving' | 'ca', dueAt(first));
  }
  const ends = parsed(liveBundle).map(({ validToDate }) => validToDate.getTime());
  if (ends.length > 0) metrics.notAfter('live-bundle', new Date(Math.min(...ends)));
  metrics.trusted(logic.isVerified(presented ?? ('' as Pem), liveBundle, now));
}

const heldNotes: Readonly<Record<WriteHold['by'], string>> = {
  paused: 'the annotation terraform.job.kb.io/paused=true forbids writes',
  conflict: 'another writer keeps reverting the repair',
};

const ISSUED = 'certificates issued';
const REPAIRED = 'certificates repaired';
const ADVANCED = 'rotation advanced';

type Step = Exclude<CertificateDecision['action'], 'keep'>;

/** The log message of a step. */
const stepMessages = {
  renew: ISSUED,
  announce: ISSUED,
  replace: ISSUED,
  adopt: REPAIRED,
  repair: REPAIRED,
  recreate: REPAIRED,
  publish: ADVANCED,
  settle: ADVANCED,
  switch: ADVANCED,
  retire: ADVANCED,
} as const satisfies Readonly<Record<Step, string>>;

/** The first sentence of the Event of a step. */
const stepNotes: Readonly<Record<Step, string>> = {
  renew: 'A serving certificate was issued',
  announce: 'A new CA was issued and added to the CA bundle',
  replace: 'A new CA and a new serving certificate were issued',
  adopt: 'The usable CAs of the live CA bundle were added to the CA bundle of the Secret',
  repair: 'The CA bundle in the Secret was repaired',
  recreate: 'The Secret was recreated',
  publish: 'The new CA is published again',
  settle: 'The new CA was read back from the API server, and its settle time has begun',
  switch: 'The new CA is the signing CA, and the old CA is being retired',
  retire: 'The old CA was removed from the CA bundle',
};

function describeCertificate(pem: string) {
  const certificate = parseCertificate(pem);
  return { notAfter: certificate?.validToDate, fingerprint: certificate?.fingerprint256 };
}
