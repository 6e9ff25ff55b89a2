import type { CertificateSet } from '../../../src/certs/certificate-set.ts';
import type { EndedApply, ReadApplies } from '../../../src/commands/applies/report.ts';
import type { InspectionReport } from '../../../src/commands/inspect/report.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import { aCertificateSet, ISSUED_AT, stored } from '../builders/a-certificate-set.ts';
import { anInspection, aRegistration } from '../builders/an-inspection.ts';
import { noApplies } from '../builders/no-applies.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const inRotation: CertificateSet = {
  ...set,
  caBundle: joinCertificates([set.caBundle, other.caBundle]),
  nextCa: other.ca,
  phase: 'settling',
  phaseSince: new Date(ISSUED_AT.getTime() + 29 * DAY_MS - 20_000),
};

/** Text that breaks out of a page without escaping, changes the direction of the text, or has no place to break. */
export const HOSTILE = `"><script>document.title='taken'</script><img src=//evil.test/x onerror=alert(1)>&lt;b&gt;'\u202e\u0007${'x'.repeat(300)}`;

const run = (name: string, fields: Partial<EndedApply>): EndedApply => ({
  job: { namespace: 'team-a', name: `${name}-apply`, uid: name, resourceVersion: '1' },
  of: { action: 'apply', namespace: 'team-a', name },
  state: 'failed',
  isBeingDeleted: false,
  isCapped: true,
  backoffLimit: 0,
  restartPolicy: 'Never',
  createdAt: new Date(ISSUED_AT.getTime() + 28 * DAY_MS),
  status: {},
  ending: undefined,
  ...fields,
});
const inPod = (pod: string) => ({ pod, isKept: true });
const readApplies = (...applies: readonly EndedApply[]): ReadApplies => ({ ...noApplies, applies });
const someRuns = readApplies(
  run('orders-database', {
    ending: {
      kind: 'exited',
      container: 'terraform-executor',
      exitCode: 1,
      reason: 'Error',
      ...inPod('orders-database-apply-x7k2p'),
    },
  }),
  run('billing-bucket', {
    createdAt: new Date(ISSUED_AT.getTime() + 29 * DAY_MS - 3 * HOUR_MS),
    ending: {
      kind: 'evicted',
      reason: 'Evicted',
      message: 'The node was low on resource: memory.',
      ...inPod('billing-bucket-apply-q4w9z'),
    },
  }),
  run('network', { state: 'running', createdAt: new Date(ISSUED_AT.getTime() + 29 * DAY_MS - 240_000) }),
);

const withHostileTexts = (report: InspectionReport): InspectionReport => {
  const ends = new Set(['format', 'verdict', 'phase', 'state', 'outcome', 'where', 'isPaused']);
  const hostile = (value: unknown, key = ''): unknown => {
    if (typeof value === 'string' && !ends.has(key)) return HOSTILE;
    if (Array.isArray(value)) return value.map((item) => hostile(item));
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, hostile(field, name)]));
  };
  return hostile(report) as InspectionReport;
};

const unhealthy = anInspection({
  set,
  afterMs: 90 * DAY_MS + HOUR_MS,
  liveBundle: joinCertificates([other.caBundle]),
  secret: { annotations: { ...stored(set).annotations, 'terraform.job.kb.io/paused': 'true' } },
  facts: {
    applies: { ...someRuns, arePodsRefused: true },
    endpoint: {
      outcome: 'answered',
      address: '10.0.0.1:443',
      certificate: set.serving.certificate,
      why: 'unable to verify the first certificate',
    },
  },
});

/** Reports of each kind of install, by name. */
export const sampleReports: Readonly<Record<string, InspectionReport>> = {
  healthy: anInspection({ set, afterMs: 29 * DAY_MS, facts: { applies: noApplies } }),
  'with failed runs': anInspection({ set, afterMs: 29 * DAY_MS, facts: { applies: someRuns } }),
  'with many runs': anInspection({
    set,
    facts: { applies: readApplies(...Array.from({ length: 103 }, (_, index) => run(`run-${index}`, {}))) },
  }),
  'in-rotation': anInspection({
    set: inRotation,
    afterMs: 29 * DAY_MS,
    facts: { registration: aRegistration(inRotation.caBundle), applies: noApplies },
  }),
  unhealthy,
  incomplete: anInspection({
    set,
    facts: {
      endpoint: {
        outcome: 'not-dialled',
        why: 'terraform-job-webhook-service.vela-system.svc does not resolve from here',
        how: [
          'kubectl -n vela-system port-forward service/terraform-job-webhook-service 8443:443',
          'terraform-daemon inspect --address 127.0.0.1:8443',
        ],
      },
    },
  }),
  unread: anInspection({ set, facts: { secret: 'refused', registration: 'refused', applies: 'refused' } }),
  'not-installed': anInspection({
    set,
    facts: {
      secret: 'absent',
      registration: 'absent',
      endpoint: { outcome: 'not-dialled', why: 'no registered endpoint was found', how: [] },
    },
  }),
  'with user-provided certificates': anInspection({
    set,
    options: { 'webhook-cert-path': '/certs' },
    facts: { secret: 'unused' },
  }),
  'with junk in the bundle': anInspection({ set, liveBundle: `${set.caBundle}-----BEGIN junk` as Pem }),
  hostile: withHostileTexts(unhealthy),
};
