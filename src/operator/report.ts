import type { CertificateSet } from '../certs/certificate-set.ts';
import type { CertificateDecision } from '../certs/decide.ts';
import { reasons } from '../certs/reasons.ts';
import type { Held } from '../certs/reconcile.ts';
import { parseCertificate } from '../certs/x509.ts';
import { errorFields, type OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { describeValue } from '../lib/text.ts';
import type { Policy } from '../policy/policy.ts';
import { driftReason, registrationReasons } from '../registration/drift.ts';
import type { Registered } from '../registration/reconcile.ts';
import type { EventReason, Events } from '../telemetry/events.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Tells what was decided and done in the log, the metrics and the Events, with the same word for the reason. */
export interface Report {
  certificatesJudged(verdict: CertificateDecision, set: CertificateSet): void;
  /** A write that is needed is not made now. */
  held(verdict: CertificateDecision, held: Held): void;
  registered(registered: Registered, name: string): void;
  swapped(certificate: string): void;
  /** Somebody else undoes the repair of an object again and again. */
  fought(object: string, writer: string | undefined, waitMs: number): void;
  /** A policy has come into force; `isFirst` at the start. */
  policyLoaded(policy: Policy, isFirst?: boolean): void;
  /** The last good policy stays in force. */
  policyRefused(problems: readonly string[]): void;
  /** Client certificates of other authorities are taken from now on. */
  clientCaLoaded(): void;
  /** The last good authorities stay in force. */
  clientCaRefused(problem: string): void;
  /** The registration keeps what another replica has put into these fields by its options or policy, for now. */
  yielded(name: string, fields: readonly string[]): void;
  /** Two daemons with different options or policies write these fields in turn, and it does not end. */
  termsFought(name: string, fields: readonly string[], waitMs: number): void;
  failed(error: OperatorError, fields: object): void;
  /** A person has asked for a rotation in words that say nothing. */
  misunderstood(found: string): void;
  /** Another replica has begun a phase in what is the future here. */
  clocksDiffer(phaseSince: Date | undefined, now: Date): void;
}

export function createReport({
  log,
  metrics,
  events,
}: {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly events: Events;
}): Report {
  return {
    certificatesJudged(verdict, set) {
      metrics.certificatesJudged(verdict);
      const { level, message } = wording[verdict.action];
      const why = 'reason' in verdict ? { reason: verdict.reason } : {};
      const until = 'until' in verdict ? { until: verdict.until } : {};
      const fields = { action: verdict.action, ...why, phase: set.phase, ...until };
      log[level](message, { ...fields, ...describeCertificate(set.serving.certificate) });
      if (verdict.action !== 'keep') {
        events.tell({ type: 'Normal', action: verdict.action, reason: wordOf(verdict), note: noteOf(verdict, set) });
      }
    },
    held(verdict, held) {
      if (verdict.action === 'keep') return;
      const reason = wordOf(verdict);
      log.warn('certificates not written', { held, action: verdict.action, reason });
      const note = `${verdict.action} is needed (${reason}) but held back: ${heldNotes[held]}`;
      events.tell({ type: 'Warning', action: verdict.action, reason: held, note });
    },
    registered({ result, drift }, name) {
      const reason = driftReason(drift);
      metrics.registered(result, result === 'unchanged' ? '' : reason);
      if (result === 'unchanged') return;
      if (result === 'held') log.warn('registration not written', { name, reason, drift });
      else log.info(`registration ${result}`, { name, reason, drift });
      const fields = reason === 'drift' ? ` (${drift.join(', ')})` : '';
      const note = `MutatingWebhookConfiguration ${name}: ${registrationReasons[reason]}${fields}`;
      events.tell({ type: result === 'held' ? 'Warning' : 'Normal', action: result, reason, note });
    },
    swapped(certificate) {
      log.info('serving certificate swapped', describeCertificate(certificate));
    },
    fought(object, writer = 'unknown', waitMs) {
      metrics.fought(object);
      log.warn('somebody else undoes the repair again and again', { object, writer, waitMs });
      const note = `${writer} undoes every repair of the ${object}: one of the two has to stop`;
      events.tell({ type: 'Warning', action: `repair-${object}`, reason: 'fight', note });
    },
    policyLoaded({ rules }, isFirst = false) {
      metrics.policyRead(true);
      const names = rules.map(({ name }) => name);
      log.info('policy loaded', { rules: names });
      if (isFirst) return;
      const note = `The policy was changed; its rules: ${names.join(', ')}.`;
      events.tell({ type: 'Normal', action: 'load-policy', reason: 'policy-loaded', note });
    },
    policyRefused(problems) {
      metrics.policyRead(false);
      log.error('policy refused, the last good one stays', { code: 'POLICY_INVALID', problems });
      const note = `The policy file cannot be used, the last good policy stays: ${problems.join('; ')}`;
      events.tell({ type: 'Warning', action: 'load-policy', reason: 'POLICY_INVALID', note });
    },
    clientCaLoaded() {
      log.info('client certificate authorities loaded');
      const note = 'The file of --client-ca-file has changed: client certificates are verified with it from now on.';
      events.tell({ type: 'Normal', action: 'load-client-ca', reason: 'client-ca-loaded', note });
    },
    clientCaRefused(problem) {
      log.error('client certificate authorities refused, the last good ones stay', {
        code: 'CLIENT_CA_INVALID',
        problem,
      });
      const note = `The file of --client-ca-file cannot be used, the last good authorities stay: ${problem}`;
      const reason = 'CLIENT_CA_INVALID';
      events.tell({ type: 'Warning', action: 'load-client-ca', reason, note });
    },
    yielded(name, fields) {
      log.info('another replica has other options or another policy', { name, fields });
    },
    termsFought(name, fields, waitMs) {
      metrics.fought('options');
      log.warn('replicas keep to different options or policies', { name, fields, waitMs });
      const note =
        `Daemons with different options or policies write MutatingWebhookConfiguration ${name} in turn ` +
        `(${fields.join(', ')}): give all replicas the same, or the other install a --webhook-configuration-name of its own`;
      events.tell({ type: 'Warning', action: 'publish-options', reason: 'fight', note });
    },
    misunderstood(found) {
      // An annotation may have 256 KiB, and this is told at each look.
      const shown = describeValue(found);
      log.warn('rotation asked for in words that say nothing', { found: shown, allowed: ['serving', 'ca'] });
      const note = `annotation terraform.job.kb.io/rotate: found ${shown}; allowed is serving or ca`;
      events.tell({ type: 'Warning', action: 'rotate', reason: 'misunderstood', note });
    },
    clocksDiffer(phaseSince, now) {
      log.warn('the clock of another replica is ahead', { phaseSince, now });
      const note = `a phase of the rotation began at ${phaseSince?.toISOString()}, which is the future for a replica: look at the clocks of the nodes`;
      events.tell({ type: 'Warning', action: 'rotate', reason: 'clocks-differ', note });
    },
    failed(error, fields) {
      log.error('reconcile failed, will try again', { ...fields, ...errorFields(error) });
      events.tell({ type: 'Warning', action: 'reconcile', reason: error.code, note: error.message });
    },
  };
}

const wordOf = (verdict: Exclude<CertificateDecision, { action: 'keep' }>): EventReason =>
  'reason' in verdict ? verdict.reason : verdict.action;

function noteOf(verdict: CertificateDecision, set: CertificateSet): string {
  const why = 'reason' in verdict ? `: ${reasons[verdict.reason]}` : '';
  const until = parseCertificate(set.serving.certificate)?.validToDate.toISOString();
  return `${notes[verdict.action]}${why}. The serving certificate is valid until ${until}.`;
}

const notes: Readonly<Record<CertificateDecision['action'], string>> = {
  keep: 'Nothing to do',
  renew: 'A serving certificate was issued',
  announce: 'A new certificate authority was announced',
  replace: 'A new certificate authority and serving certificate were issued',
  adopt: 'The authorities of what is presented were taken into the CA bundle',
  mend: 'The CA bundle in the Secret was mended',
  recreate: 'The Secret was made anew',
  publish: 'The new authority is published again',
  settle: 'The new authority was read back from the API server, its settle time begins',
  switch: 'The new authority has taken over',
  retire: 'The old authority has left the CA bundle',
};

const heldNotes: Readonly<Record<Held, string>> = {
  paused: 'the annotation terraform.job.kb.io/paused=true forbids writes',
  fight: 'somebody else undoes it again and again',
};

const wording = {
  keep: { level: 'debug', message: 'certificates kept' },
  renew: { level: 'info', message: 'certificates issued' },
  announce: { level: 'info', message: 'certificates issued' },
  replace: { level: 'info', message: 'certificates issued' },
  switch: { level: 'info', message: 'rotation advanced' },
  publish: { level: 'info', message: 'rotation advanced' },
  settle: { level: 'info', message: 'rotation advanced' },
  retire: { level: 'info', message: 'rotation advanced' },
  adopt: { level: 'info', message: 'certificates mended' },
  mend: { level: 'info', message: 'certificates mended' },
  recreate: { level: 'info', message: 'certificates mended' },
} as const satisfies Record<CertificateDecision['action'], { readonly level: keyof Log; readonly message: string }>;

function describeCertificate(pem: string): object {
  const certificate = parseCertificate(pem);
  return { notAfter: certificate?.validToDate, fingerprint: certificate?.fingerprint256 };
}
