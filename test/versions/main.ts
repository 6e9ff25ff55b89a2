import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ensureOlderBinaries, olderVersions } from '../control-plane/binaries.ts';
import { readGoModule } from '../control-plane/go-module.ts';
import { stderrProgress } from '../control-plane/progress.ts';
import { servedPolicyVersion } from '../support/kubernetes-version.ts';
import { SUPPORT_TABLE, type SupportRow, supportTable } from './support-table.ts';

/**
 * `npm run test:versions`: the cluster tests against each Kubernetes that there is a go.mod for, and the table of what
 * was found. `npm run test:versions -- 1.30 1.32` runs those two, and leaves the table alone.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** These are about what is the same with every Kubernetes: the test control plane itself, the README, memory. */
const SAME_EVERYWHERE = new Set([
  'backstop-memory.test.ts',
  'control-plane.test.ts',
  'docs.test.ts',
  'harness.test.ts',
  'readme.test.ts',
]);

const progress = stderrProgress();

async function testFiles(): Promise<readonly string[]> {
  const names = await readdir(`${ROOT}/test/cluster`);
  return names
    .filter((name) => name.endsWith('.test.ts') && !SAME_EVERYWHERE.has(name))
    .map((name) => `test/cluster/${name}`);
}

async function tryVersion(minor: string): Promise<SupportRow> {
  const { assets, version } = await ensureOlderBinaries(minor, progress);
  return {
    version,
    policy: servedPolicyVersion(minor),
    ...(await runTests({ KUBEBUILDER_ASSETS: assets, TEST_KUBERNETES: minor }, minor)),
  };
}

async function tryNewest(): Promise<SupportRow> {
  const { kubernetesVersion } = await readGoModule();
  const minor = minorOf(kubernetesVersion);
  return { version: kubernetesVersion, policy: servedPolicyVersion(minor), ...(await runTests({}, minor)) };
}

const minorOf = (version: string): string => /^v(\d+\.\d+)\./.exec(version)?.[1] ?? version;

async function runTests(variables: Readonly<Record<string, string>>, minor: string) {
  progress(`Kubernetes ${minor}: running the cluster tests`);
  const args = [
    '--test',
    '--test-concurrency=1',
    '--test-timeout=600000',
    '--test-reporter=tap',
    ...(await testFiles()),
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const counts = new Map<string, number>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, what, count] = /^# (pass|fail|cancelled|skipped) (\d+)$/.exec(line) ?? [];
    if (what !== undefined) counts.set(what, Number(count));
    if (/^\s*not ok /.test(line)) progress(`Kubernetes ${minor}: ${line.trim()}`);
  });
  await once(child, 'close');
  const count = (what: string) => counts.get(what) ?? 0;
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') };
}

const asked = process.argv.slice(2);
const older = await olderVersions();
const newest = minorOf((await readGoModule()).kubernetesVersion);
for (const minor of asked) {
  if (minor !== newest && !older.includes(minor))
    throw new Error(`found ${minor}; allowed are ${[...older, newest].join(', ')}`);
}
const rows: SupportRow[] = [];
for (const minor of older) if (asked.length === 0 || asked.includes(minor)) rows.push(await tryVersion(minor));
if (asked.length === 0 || asked.includes(newest)) rows.push(await tryNewest());
const table = supportTable(rows);
process.stdout.write(
  `${table}\n${rows.reduce((sum, { passed }) => sum + passed, 0)} passed, ${rows.reduce((sum, { failed }) => sum + failed, 0)} failed\n`,
);
if (asked.length === 0) await writeFile(SUPPORT_TABLE, table);
if (rows.some(({ failed, passed }) => failed > 0 || passed === 0)) process.exitCode = 1;
