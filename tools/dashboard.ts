import { writeFile } from 'node:fs/promises';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { readArguments } from './arguments.ts';

export const DASHBOARD = new URL('../manifests/overlays/monitoring/dashboard.json', import.meta.url);

const PREFIX = 'terraform_daemon_';

interface Panel {
  readonly title: string;
  /** The PromQL expression of the panel. The help text of its first metric becomes the description of the panel. */
  readonly expr: string;
  readonly legend?: string;
  readonly unit?: string;
  readonly kind?: 'stat' | 'timeseries';
}

/** The panels of the dashboard. First come the panels that an operator on call needs first. */
const panels: readonly Panel[] = [
  { kind: 'stat', title: 'Replicas', expr: 'count(terraform_daemon_build_info)' },
  { kind: 'stat', title: 'Trusted by the API server', expr: 'min(terraform_daemon_bundle_trusts_serving)' },
  {
    kind: 'stat',
    title: 'Remaining lifetime of the certificates',
    expr: 'min by (certificate) (terraform_daemon_certificate_not_after_timestamp_seconds - time())',
    legend: '{{certificate}}',
    unit: 's',
  },
  {
    kind: 'stat',
    title: 'Time until renewal',
    expr: 'min by (certificate) (terraform_daemon_certificate_renewal_due_timestamp_seconds - time())',
    legend: '{{certificate}}',
    unit: 's',
  },
  {
    kind: 'stat',
    title: 'Jobs stored uncapped in a day',
    expr: 'sum(increase(terraform_daemon_missed_jobs_total[1d]))',
  },
  { kind: 'stat', title: 'Policy file valid', expr: 'min(terraform_daemon_policy_valid)' },
  {
    title: 'Admission requests',
    expr: 'sum by (outcome) (rate(terraform_daemon_admission_requests_total[5m]))',
    legend: '{{outcome}}',
    unit: 'reqps',
  },
  {
    title: 'Response time, p99',
    expr: 'histogram_quantile(0.99, sum by (le) (rate(terraform_daemon_admission_duration_seconds_bucket[5m])))',
    unit: 's',
  },
  {
    title: 'Admitted by the API server without a response',
    expr: 'sum(increase(apiserver_admission_webhook_fail_open_count{name="modify.terraform.job.kb.io"}[5m]))',
  },
  {
    title: 'Failed applies whose Configuration waits',
    expr: 'max by (configuration_namespace) (terraform_daemon_failed_applies)',
    legend: '{{configuration_namespace}}',
  },
  {
    title: 'Jobs that failed and were not retried',
    expr: 'sum(increase(terraform_daemon_not_retried_jobs_total[1h]))',
  },
  {
    title: 'Certificate steps',
    expr: 'sum by (action, reason) (increase(terraform_daemon_certificate_steps_total[1h]))',
    legend: '{{action}}: {{reason}}',
  },
  {
    title: 'Repairs of the registration',
    expr: 'sum by (result, reason) (increase(terraform_daemon_registrations_total{result!="unchanged"}[1h]))',
    legend: '{{result}}: {{reason}}',
  },
  {
    title: 'Repairs rate-limited',
    expr: 'sum by (object) (increase(terraform_daemon_conflicts_total[1h]))',
    legend: '{{object}}',
  },
  {
    title: 'Restores of etcd noticed',
    expr: 'max(increase(terraform_daemon_etcd_restores_total[1h]))',
  },
  {
    title: 'Connections refused',
    expr: 'sum by (reason) (rate(terraform_daemon_connections_refused_total[5m]))',
    legend: '{{reason}}',
    unit: 'cps',
  },
  {
    title: 'Checks of Secret and registration',
    expr: 'sum by (result) (rate(terraform_daemon_reconcile_duration_seconds_count[5m]))',
    legend: '{{result}}',
    unit: 'ops',
  },
  {
    title: 'Failed checks by cause',
    expr: 'sum by (code) (rate(terraform_daemon_reconcile_failures_total[5m])) > 0',
    legend: '{{code}}',
    unit: 'ops',
  },
  {
    title: 'Time since the registration was read',
    expr: 'time() - terraform_daemon_registration_read_timestamp_seconds',
    legend: '{{pod}}',
    unit: 's',
  },
  {
    title: 'Memory',
    expr: 'process_resident_memory_bytes{container="terraform-daemon"}',
    legend: '{{pod}}',
    unit: 'bytes',
  },
  {
    title: 'CPU',
    expr: 'rate(process_cpu_seconds_total{container="terraform-daemon"}[5m])',
    legend: '{{pod}}',
  },
];

const [WIDTH, HEIGHT] = [24, 8];

/**
 * Returns the dashboard as JSON.
 *
 * @throws Error if a panel uses a metric that does not exist, or if a metric has no panel.
 */
export async function dashboard(): Promise<string> {
  const { text } = await createMetrics('0.0.0').expose();
  const help = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', words = '']) => [name, words]));
  const shown = panels.map((panel, index) => toPanel(panel, index, help));
  const unseen = [...help.keys()].filter(
    (name) => name.startsWith(PREFIX) && !panels.some(({ expr }) => expr.includes(name)),
  );
  if (unseen.length > 0) throw new Error(`metrics without a panel: ${unseen.join(', ')}`);
  const variable = { name: 'datasource', type: 'datasource', query: 'prometheus' };
  const content = {
    uid: 'terraform-daemon',
    title: 'terraform-daemon',
    tags: ['kubernetes', 'webhook'],
    schemaVersion: 39,
    refresh: '1m',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [variable] },
    panels: shown,
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

function toPanel(
  { title, expr, legend = '', unit = 'short', kind = 'timeseries' }: Panel,
  index: number,
  help: ReadonlyMap<string, string>,
) {
  const [metric = ''] = /terraform_daemon_\w+/.exec(expr) ?? [];
  const description = help.get(metric) ?? help.get(metric.replace(/_(bucket|count|sum)$/, ''));
  if (metric !== '' && description === undefined)
    throw new Error(`panel ${JSON.stringify(title)}: unknown metric ${metric}`);
  const perRow = kind === 'stat' ? 6 : 2;
  const stats = panels.filter((panel) => panel.kind === 'stat').length;
  const nth = kind === 'stat' ? index : index - stats;
  const h = kind === 'stat' ? HEIGHT / 2 : HEIGHT;
  const y = kind === 'stat' ? 0 : HEIGHT / 2 + Math.floor(nth / perRow) * HEIGHT;
  return {
    id: index + 1,
    type: kind,
    title,
    description,
    datasource: { type: 'prometheus', uid: '$datasource' },
    gridPos: { x: (nth % perRow) * (WIDTH / perRow), y, w: WIDTH / perRow, h },
    fieldConfig: { defaults: { unit }, overrides: [] },
    targets: [{ refId: 'A', expr, legendFormat: legend }],
  };
}

if (import.meta.main) {
  readArguments(`npm run dashboard

Writes the Grafana dashboard. The descriptions of its panels are the help texts of the metrics.`);
  await writeFile(DASHBOARD, await dashboard());
}
