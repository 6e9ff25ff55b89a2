import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { CertificateDecision } from '../certs/decide.ts';
import type { Outcome } from '../webhook/app.ts';
import { type ConnectionReason, connectionReasons } from '../webhook/refused-connections.ts';

/** What the daemon counts and measures. Names and units follow https://prometheus.io/docs/practices/naming/ */
export interface Metrics {
  admissionAnswered(outcome: Outcome, seconds?: number): void;
  certificatesDecided(verdict: CertificateDecision): void;
  /** The live bundle expires with the first of its certificates. */
  notAfter(certificate: 'ca' | 'serving' | 'live-bundle', at: Date): void;
  /** Two thirds of the way to its end; of one that was brought, shortly before it. Past that, somebody was not able to renew it. */
  renewalDue(certificate: 'ca' | 'serving', at: Date): void;
  /** Whether the API server verifies what the endpoint presents, as far as this replica knows. */
  trusted(isTrusted: boolean): void;
  registered(result: 'created' | 'updated' | 'unchanged' | 'held', reason: string): void;
  /** The API server has answered what the registration is. */
  registrationRead(at: Date): void;
  repairThrottled(object: string): void;
  /** Whether the policy file is the policy in force. */
  policyRead(isValid: boolean): void;
  /** A Job was capped that the endpoint was not called for. */
  jobMissed(): void;
  /** A Job has failed that is not retried, and somebody was told. */
  jobRanOnce(): void;
  /** A connection to the endpoint was refused or cut off. */
  connectionRefused(reason: ConnectionReason): void;
  reconciled(result: 'success' | 'failure', seconds: number): void;
  /** The text that Prometheus scrapes, and its content type. */
  expose(): Promise<{ readonly text: string; readonly contentType: string }>;
}

const PREFIX = 'terraform_daemon_';

function createFactory(register: Registry) {
  const registers = [register];
  return {
    counter: <Label extends string = never>(name: string, help: string, ...labelNames: Label[]) =>
      new Counter({ name: PREFIX + name, help, labelNames, registers }),
    gauge: <Label extends string = never>(name: string, help: string, ...labelNames: Label[]) =>
      new Gauge({ name: PREFIX + name, help, labelNames, registers }),
    histogram: <Label extends string = never>(
      { name, help, buckets }: { readonly name: string; readonly help: string; readonly buckets: number[] },
      ...labelNames: Label[]
    ) => new Histogram({ name: PREFIX + name, help, buckets, labelNames, registers }),
  };
}

type Factory = ReturnType<typeof createFactory>;

/** About certificates, the registration and the policy. */
const passInstruments = ({ counter, gauge, histogram }: Factory) => ({
  issued: counter(
    'certificate_steps_total',
    'Steps that this replica has taken with the certificate set, by reason; the reason of a step that only time brings is its name.',
    'action',
    'reason',
  ),
  notAfter: gauge(
    'certificate_not_after_timestamp_seconds',
    'When the certificate in use expires, in seconds since the epoch.',
    'certificate',
  ),
  renewalDue: gauge(
    'certificate_renewal_due_timestamp_seconds',
    'When the certificate in use is to be renewed at the latest, in seconds since the epoch.',
    'certificate',
  ),
  registrations: counter(
    'registrations_total',
    'Looks at the MutatingWebhookConfiguration, by what had to be done and why.',
    'result',
    'reason',
  ),
  trusts: gauge(
    'bundle_trusts_serving',
    '1 when the live CA bundle verifies the serving certificate that is presented, else 0.',
  ),
  registrationRead: gauge(
    'registration_read_timestamp_seconds',
    'When the MutatingWebhookConfiguration was last read, in seconds since the epoch: what is told of trust is as old.',
  ),
  policyValid: gauge(
    'policy_valid',
    '1 when the policy in force is that of the file, 0 while the file cannot be used and the last good one stays.',
  ),
  fights: counter(
    'fights_total',
    'Repairs that were held back because somebody else undoes them, by object.',
    'object',
  ),
  reconciles: histogram(
    {
      name: 'reconcile_duration_seconds',
      help: 'Reconciles by result, and how long they took.',
      buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    },
    'result',
  ),
});

/** About Jobs and connections. */
const jobInstruments = ({ counter, histogram }: Factory) => ({
  admissions: counter('admission_requests_total', 'Admission requests by how they ended.', 'outcome'),
  admissionSeconds: histogram({
    name: 'admission_duration_seconds',
    help: 'Time from the parsed admission request to its answer.',
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1],
  }),
  refused: counter(
    'connections_refused_total',
    'Connections to the endpoint that were refused or cut off, by reason.',
    'reason',
  ),
  missed: counter(
    'missed_jobs_total',
    'Jobs that were stored without the endpoint, and capped afterwards by this replica.',
  ),
  ranOnce: counter(
    'ran_once_jobs_total',
    'Jobs that have failed and are not retried by policy, as told by this replica.',
  ),
});

export function createMetrics(version: string): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const factory = createFactory(register);
  const passes = passInstruments(factory);
  const { issued, notAfter, renewalDue, registrations, trusts } = passes;
  const { registrationRead, policyValid, fights, reconciles } = passes;
  const { admissions, admissionSeconds, refused, missed, ranOnce } = jobInstruments(factory);
  factory.gauge('build_info', 'Always 1.', 'version').set({ version }, 1);
  for (const reason of connectionReasons) refused.inc({ reason }, 0);
  // A counter that begins with 1 has not increased for Prometheus: the first of these must not be overlooked.
  for (const object of ['secret', 'registration']) fights.inc({ object }, 0);
  for (const result of ['success', 'failure']) reconciles.zero({ result });
  return {
    admissionAnswered(outcome, seconds) {
      admissions.inc({ outcome });
      if (seconds !== undefined) admissionSeconds.observe(seconds);
    },
    certificatesDecided(verdict) {
      if (verdict.action === 'keep') return;
      issued.inc({ action: verdict.action, reason: 'reason' in verdict ? verdict.reason : verdict.action });
    },
    notAfter: (certificate, at) => notAfter.set({ certificate }, at.getTime() / 1000),
    renewalDue: (certificate, at) => renewalDue.set({ certificate }, at.getTime() / 1000),
    trusted: (isTrusted) => trusts.set(isTrusted ? 1 : 0),
    registered: (result, reason) => registrations.inc({ result, reason }),
    registrationRead: (at) => registrationRead.set(at.getTime() / 1000),
    policyRead: (isValid) => policyValid.set(isValid ? 1 : 0),
    repairThrottled: (object) => fights.inc({ object }),
    jobMissed: () => missed.inc(),
    jobRanOnce: () => ranOnce.inc(),
    connectionRefused: (reason) => refused.inc({ reason }),
    reconciled: (result, seconds) => reconciles.observe({ result }, seconds),
    expose: async () => ({ text: await register.metrics(), contentType: register.contentType }),
  };
}
