import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readArguments, usageError } from '../../tools/arguments.ts';
import { allVersions, ensureOlderBinaries } from '../../tools/control-plane/binaries.ts';
import { minorOf, readGoModule } from '../../tools/control-plane/go-module.ts';
import { stderrProgress } from '../../tools/control-plane/progress.ts';
import {
  existingDocument,
  README,
  SUPPORT_TABLE,
  type SupportRow,
  supportDocument,
  supportSentence,
  withSentence,
} from './support-table.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The tests that depend on the behaviour of the API server. */
const TESTS = [
  'one-run',
  'replicas',
  'stolen-token',
  'stores',
  'rotate',
  'steering',
  'stolen-ca-key',
  'token-rights',
  'limited-token',
  'mutation',
  'registration',
  'bootstrap',
  'backstop',
  'policy-forms',
].map((name) => `test/cluster/${name}.test.ts`);

const progress = stderrProgress();

const { stdout } = await promisify(execFile)('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT });
const commit = stdout.trim();

/** Number of output lines to print for each failed test. */
const TOLD_LINES = 25;

async function tryVersion(minor: string): Promise<SupportRow> {
  const { kubernetesVersion: newestVersion } = await readGoModule();
  if (minor === minorOf(newestVersion)) return runTests(newestVersion, {});
  const { assets, version } = await ensureOlderBinaries(minor, progress);
  return runTests(version, { KUBEBUILDER_ASSETS: assets });
}

type Outcome = Omit<SupportRow, 'version' | 'retried' | 'commit'>;

/**
 * Runs the test files one at a time, so that their times are comparable. Files that fail run a second time at the end,
 * because a busy machine can exceed the time limits of the tests. `retried` is the number of these files.
 */
async function runTests(version: string, variables: Readonly<Record<string, string>>): Promise<SupportRow> {
  const outcomes = new Map<string, Outcome>();
  const run = async (file: string) =>
    outcomes.set(file, await runFile(file, variables, `Kubernetes ${version}: ${file}`));
  for (const file of TESTS) await run(file);
  const failed = TESTS.filter((file) => !isGood(outcomes.get(file)));
  for (const file of failed) await run(file);
  const all = [...outcomes.values()];
  const sum = (of: (outcome: Outcome) => number) => all.reduce((total, outcome) => total + of(outcome), 0);
  return {
    version,
    passed: sum((outcome) => outcome.passed),
    // A file without a passed test counts as at least one failure, because its tests may not have started.
    failed: sum((outcome) => (outcome.passed === 0 ? Math.max(outcome.failed, 1) : outcome.failed)),
    skipped: all.flatMap(({ skipped }) => skipped),
    retried: failed.length,
    commit,
  };
}

const isGood = (outcome?: Outcome) => outcome?.failed === 0 && outcome.passed > 0;

async function runFile(file: string, variables: Readonly<Record<string, string>>, label: string): Promise<Outcome> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--test', '--test-timeout=600000', '--test-reporter=tap', file], {
    cwd: ROOT,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const counts = new Map<string, number>();
  const skipped: string[] = [];
  let toTell = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, what, count] = /^# (pass|fail|cancelled) (\d+)$/.exec(line) ?? [];
    if (what !== undefined) counts.set(what, Number(count));
    const [, reason] = /^ +ok .* # SKIP (.+)$/.exec(line) ?? [];
    if (reason !== undefined) skipped.push(reason);
    if (/^\s*not ok /.test(line)) toTell = TOLD_LINES;
    if (toTell-- > 0) process.stderr.write(`${line}\n`);
  });
  await once(child, 'close');
  const count = (what: string) => counts.get(what) ?? 0;
  const outcome = { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped };
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  progress(`${label}: ${outcome.passed} passed, ${outcome.failed} failed, ${skipped.length} skipped, ${seconds} s`);
  return outcome;
}

const all = await allVersions();
const usage = `npm run test:versions [-- VERSION…]

Runs the cluster tests with each Kubernetes version that has a go.mod: ${[...all.keys()].join(', ')}. Writes the results
to docs/reference/versions.md, and the tested versions to the README. With versions, it tests only these, and keeps the other rows.`;
const { positionals: asked } = readArguments(usage, { allowPositionals: true });
const unknown = asked.filter((minor) => !all.has(minor));
if (unknown.length > 0) usageError(usage, `version: invalid value ${JSON.stringify(unknown.join(' '))}`);
for (const minor of asked.length === 0 ? all.keys() : asked) {
  const row = await tryVersion(minor);
  const { version, passed, failed, skipped } = row;
  process.stdout.write(`${version}: ${passed} passed, ${failed} failed, ${skipped.length} skipped\n`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
  // The documents are written after each version, so that an interrupted run keeps its results.
  const table = supportDocument([row], await existingDocument(), all);
  await writeFile(SUPPORT_TABLE, table);
  await writeFile(README, withSentence(await readFile(README, 'utf8'), supportSentence(table, all)));
}
