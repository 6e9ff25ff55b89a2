import { Counter, Gauge, Histogram, type MetricObject, Registry } from 'prom-client';
import type { CertificateDecision } from '../certs/decide.ts';
import { type ErrorCode, errorCodes } from '../lib/errors.ts';
import type { Outcome } from '../webhook/app.ts';
import { type ConnectionReason, connectionReasons } from '../webhook/refused-connections.ts';
import { processMetrics } from './process-metrics.ts';

/** Help texts of the metrics. Names and units follow https://prometheus.io/docs/practices/naming/ */
const help = {
  certificate_steps_total: 'Changes of the certificate set in the Secret by this replica, by action and reason.',
  certificate_not_after_timestamp_seconds: 'When the certificate in use expires, in seconds since the epoch.',
  certificate_renewal_due_timestamp_seconds:
    'When the renewal of the certificate in use is due, in seconds since the epoch.',
  registrations_total: 'Checks of the MutatingWebhookConfiguration, by result and reason.',
  bundle_trusts_serving: '1 if the live CA bundle verifies the presented serving certificate, else 0.',
  registration_read_timestamp_seconds:
    'When the MutatingWebhookConfiguration was last read, in seconds since the epoch. bundle_trusts_serving is from the same read.',
  policy_valid:
    '1 if the policy file was valid when last read, 0 if it was invalid and the last valid policy stays in force.',
  conflicts_total: 'Repairs that were rate-limited because another writer keeps reverting them, by object.',
  reconcile_duration_seconds: 'Duration of reconciles in seconds, by result.',
  reconcile_failures_total: 'Reconciles of the Secret and the registration that failed, by error code.',
  admission_requests_total: 'Admission requests by outcome.',
  admission_duration_seconds: 'Seconds from the parsed admission request to its response.',
  connections_refused_total: 'Connections that the endpoint or the probe server refused or closed, by reason.',
  missed_jobs_total: 'Jobs that were stored uncapped and then capped by this replica.',
  etcd_restores_total: 'Times that this replica noticed that etcd was restored to an older revision.',
  not_retried_jobs_total: 'Failed Jobs that the policy does not retry and for which this replica created the Event.',
  failed_applies:
    'Failed Jobs of terraform-controller that the policy does not retry and whose Configuration still waits, by namespace of the Configuration, or of the Job if the Configuration cannot be read. Only the holder of the Lease has this metric.',
  build_info: 'Always 1; the label is the version.',
} as const;

const reconcileBuckets = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];
const admissionBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(version: string) {
  const register = new Registry();
  registerProcess(register);
  const as = <Label extends string = never>(name: keyof typeof help, ...labelNames: Label[]) => {
    return { name: `terraform_daemon_${name}`, help: help[name], labelNames, registers: [register] };
  };
  const steps = new Counter(as('certificate_steps_total', 'action', 'reason'));
  const notAfter = new Gauge(as('certificate_not_after_timestamp_seconds', 'certificate'));
  const renewalDue = new Gauge(as('certificate_renewal_due_timestamp_seconds', 'certificate'));
  const registrations = new Counter(as('registrations_total', 'result', 'reason'));
  const trusts = new Gauge(as('bundle_trusts_serving'));
  const registrationRead = new Gauge(as('registration_read_timestamp_seconds'));
  const policyValid = new Gauge(as('policy_valid'));
  const conflicts = new Counter(as('conflicts_total', 'object'));
  const reconciles = new Histogram({ ...as('reconcile_duration_seconds', 'result'), buckets: reconcileBuckets });
  const failures = new Counter(as('reconcile_failures_total', 'code'));
  const admissions = new Counter(as('admission_requests_total', 'outcome'));
  const admissionSeconds = new Histogram({ ...as('admission_duration_seconds'), buckets: admissionBuckets });
  const refused = new Counter(as('connections_refused_total', 'reason'));
  const missed = new Counter(as('missed_jobs_total'));
  const restores = new Counter(as('etcd_restores_total'));
  const notRetried = new Counter(as('not_retried_jobs_total'));
  const failedApplies = new Gauge(as('failed_applies', 'configuration_namespace'));
  new Gauge(as('build_info', 'version')).set({ version }, 1);
  for (const reason of connectionReasons) refused.inc({ reason }, 0);
  // Create these series with the value 0. If a counter appears with the value 1, increase() in Prometheus misses the
  // first increment.
  for (const object of ['secret', 'registration']) conflicts.inc({ object }, 0);
  for (const result of ['success', 'failure']) reconciles.zero({ result });
  for (const code of errorCodes) failures.inc({ code }, 0);
  return {
    admissionAnswered(outcome: Outcome, seconds?: number): void {
      admissions.inc({ outcome });
      if (seconds !== undefined) admissionSeconds.observe(seconds);
    },
    certificatesDecided(decision: CertificateDecision): void {
      if (decision.action === 'keep') return;
      steps.inc({ action: decision.action, reason: 'reason' in decision ? decision.reason : decision.action });
    },
    notAfter: (certificate: 'ca' | 'serving' | 'live-bundle', at: Date) => notAfter.set({ certificate }, seconds(at)),
    renewalDue: (certificate: 'ca' | 'serving', at: Date) => renewalDue.set({ certificate }, seconds(at)),
    trusted: (isTrusted: boolean) => trusts.set(Number(isTrusted)),
    registered: (result: 'created' | 'updated' | 'unchanged' | 'held', reason: string) =>
      registrations.inc({ result, reason }),
    registrationRead: (at: Date) => registrationRead.set(seconds(at)),
    policyRead: (isValid: boolean) => policyValid.set(Number(isValid)),
    repairThrottled: (object: string) => conflicts.inc({ object }),
    jobMissed: () => missed.inc(),
    etcdRestored: () => restores.inc(),
    jobNotRetried: () => notRetried.inc(),
    /** Replaces the numbers of all namespaces. */
    failedApplies(numbers: ReadonlyMap<string, number>): void {
      failedApplies.reset();
      // A label `namespace` would collide with the label that Prometheus adds to all metrics of a Pod.
      for (const [namespace, number] of numbers) failedApplies.set({ configuration_namespace: namespace }, number);
    },
    connectionRefused: (reason: ConnectionReason) => refused.inc({ reason }),
    reconciled: (result: 'success' | 'failure', seconds: number) => reconciles.observe({ result }, seconds),
    reconcileFailed: (code: ErrorCode) => failures.inc({ code }),
    /** Returns the metrics in the text format of Prometheus, and its content type. */
    expose: async () => ({ text: await register.metrics(), contentType: register.contentType }),
    /**
     * Returns all metrics, for docs/reference/metrics.md. The cast is needed because the types of prom-client lack
     * `labelNames`.
     */
    describe: () => register.getMetricsAsArray() as (MetricObject & { readonly labelNames: readonly string[] })[],
  };
}

function registerProcess(register: Registry): void {
  const registers = [register];
  for (const { read, isCounter = false, ...about } of processMetrics) {
    // The other figures must be served if one cannot be read.
    const readable = (): number => {
      try {
        return read();
      } catch {
        return Number.NaN;
      }
    };
    if (isCounter) {
      const collect = () => {
        total.reset();
        total.inc(read());
      };
      const total: Counter = new Counter({ ...about, registers, collect });
    } else {
      const value: Gauge = new Gauge({ ...about, registers, collect: () => value.set(readable()) });
    }
  }
}

const seconds = (at: Date): number => at.getTime() / 1000;
