import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { loadYaml } from '@kubernetes/client-node';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { DASHBOARD, dashboard } from '../../tools/dashboard.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { readDocument } from '../support/docs.ts';

const RULES = 'manifests/overlays/monitoring/prometheus-rule.yaml';
const run = promisify(execFile);
const skip =
  spawnSync('promtool', ['--version']).status !== 0 && 'promtool is not here: apt-get install prometheus; CI has it';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Groups {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}

async function ruleGroups(): Promise<Groups> {
  return loadYaml<{ spec: Groups }>(await readDocument(RULES)).spec;
}

const rules = async () => (await ruleGroups()).groups.flatMap(({ rules }) => rules);

/** Returns the names of all metrics, including the series of a histogram. */
async function metricNames(): Promise<ReadonlySet<string>> {
  const { text } = await createMetrics('0.0.0').expose();
  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    families.flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['_bucket', '_count', '_sum'].map((suffix) => name + suffix) : [name],
    ),
  );
}

describe('the Prometheus alerts', () => {
  it('promtool accepts the alert rules and their tests', { skip }, async (t) => {
    const rulesFile = JSON.stringify(await ruleGroups());
    const folder = await aFolder(t, {
      'rules.yaml': rulesFile,
      'alerts.yaml': await readDocument('test/monitoring/alerts.yaml'),
    });
    await run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', join(folder, 'rules.yaml')]);
    await run('promtool', ['test', 'rules', join(folder, 'alerts.yaml')]);
  });

  it('each alert has a test, a next step and a section in the runbook', async () => {
    const names = (await rules()).map(({ alert }) => alert);
    const tests = await readDocument('test/monitoring/alerts.yaml');
    const runbook = await readDocument('docs/how-to/runbook.md');
    for (const { alert, annotations } of await rules()) {
      assert.ok(tests.includes(`alertname: ${alert}`), alert);
      assert.ok(annotations.summary && annotations.description, alert);
      assert.equal(annotations.runbook_url, `docs/how-to/runbook.md#${alert.toLowerCase()}`);
    }
    assert.deepEqual(
      [...runbook.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading),
      names,
    );
  });

  it('alerts and dashboard use only metrics that the daemon exports', async () => {
    const there = await metricNames();
    const panels = JSON.parse(await readFile(DASHBOARD, 'utf8')).panels as { targets: { expr: string }[] }[];
    const expressions = [
      ...(await rules()).map(({ expr }) => expr),
      ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ];
    const asked = expressions.flatMap((text) => text.match(/\b(terraform_daemon|process)_\w+/g) ?? []);
    assert.ok(asked.length > 20);
    for (const name of asked) assert.ok(there.has(name), name);
  });
});

describe('the Grafana dashboard', () => {
  it('the Grafana dashboard equals the output of npm run dashboard', async () => {
    assert.equal(await readFile(DASHBOARD, 'utf8'), await dashboard(), 'run "npm run dashboard"');
  });

  it('each query of the Grafana dashboard is valid PromQL', { skip }, async (t) => {
    const panels = JSON.parse(await dashboard()).panels as { title: string; targets: { expr: string }[] }[];
    const rules = panels.map(({ targets }, index) => ({ record: `panel:${index}`, expr: targets[0]?.expr }));
    const folder = await aFolder(t, { 'rules.yaml': JSON.stringify({ groups: [{ name: 'dashboard', rules }] }) });
    await run('promtool', ['check', 'rules', '--lint=none', join(folder, 'rules.yaml')]);
  });
});
