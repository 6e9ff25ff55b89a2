import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../test/support/cluster/cluster.ts';
import { readArguments, usageError } from '../tools/arguments.ts';
import { stderrProgress } from '../tools/control-plane/progress.ts';
import { checkAgreement } from './agreement.ts';
import { measureConnections, measureReplicas } from './curves.ts';
import { measureEndpoint } from './endpoint.ts';
import { measureJobs } from './jobs.ts';
import { checkTools, describeMachine, othersLoad, pinToLoadCore } from './machine.ts';
import { preparePrograms } from './programs.ts';
import { writeReport } from './report.ts';
import { measureRest } from './rest.ts';
import { type PartName, type Parts, partNames, type Results, type Run, readResults, writeResults } from './results.ts';
import { measureSizes } from './sizes.ts';
import type { Stage } from './stage.ts';
import { measureStarts } from './starts.ts';
import { summaryOf } from './tables.ts';
import { measureThroughApi } from './through-api.ts';

const HELP = `npm run bench [-- OPTIONS] [PART…]

Compares the daemon with webhooks in Go and Rust that do the same work, and with a bare node:https server. Writes the page
docs/explanation/benchmarks.md, its figures (docs/explanation/benchmarks/results.json) and its plots. Needs two cores, Go, taskset
and wrk. Without cargo, the webhook in Rust is left out. Checks first that all webhooks answer the same, and fails if one does not.

Parts to measure (default: all): ${partNames.join(', ')}
The other parts keep their figures. The page has the date and the machine of each run.

  --rounds N   number of rounds; default 5
  --quick      measure for a few seconds only, and write no file
  --help       print this text
`;

const measuring: { readonly [Name in PartName]: (stage: Stage) => Promise<Parts[Name]> } = {
  endpoint: measureEndpoint,
  api: measureThroughApi,
  starts: measureStarts,
  sizes: measureSizes,
  connections: measureConnections,
  jobs: measureJobs,
  replicas: measureReplicas,
  rest: measureRest,
};

function readOptions() {
  const { values, positionals } = readArguments(HELP, {
    options: { rounds: { type: 'string' }, quick: { type: 'boolean' } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !partNames.some((part) => part === name));
  const rounds = Number(values.rounds ?? 5);
  if (unknown.length > 0)
    usageError(
      HELP,
      `part: invalid value ${JSON.stringify(unknown.join(' '))}: must be one of ${partNames.join(', ')}`,
    );
  if (!(Number.isInteger(rounds) && rounds > 0))
    usageError(HELP, `--rounds: invalid value ${JSON.stringify(values.rounds)}: must be a whole number of at least 1`);
  const isQuick = values.quick === true;
  const parts = partNames.filter((part) => positionals.length === 0 || positionals.includes(part));
  return { parts, rounds: isQuick ? 1 : rounds, isQuick };
}

/** Measures the parts and writes the results after each part, so that an interrupted run keeps its finished parts. */
async function measureParts(
  parts: readonly PartName[],
  { rounds, isQuick }: Pick<Stage, 'rounds' | 'isQuick'>,
): Promise<Results> {
  checkTools();
  const progress = stderrProgress();
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-bench-'));
  try {
    const run: Run = {
      machine: describeMachine(),
      othersLoad: await othersLoad(),
      date: new Date().toISOString().slice(0, 10),
    };
    const programs = await preparePrograms(folder, progress);
    pinToLoadCore();
    const cluster = await startCluster();
    try {
      const stage: Stage = { programs, cluster, folder, rounds, isQuick, progress };
      await checkAgreement(stage);
      let results: Results = {};
      for (const part of parts) {
        results = { ...results, [part]: await measuring[part](stage), runs: { ...results.runs, [part]: run } };
        if (!isQuick) await keep(results);
      }
      return results;
    } finally {
      await cluster.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the results and the report. Parts that this run did not measure keep their earlier figures. */
async function keep(results: Results): Promise<void> {
  const earlier = await readResults();
  await writeResults({ ...earlier, ...results, runs: { ...earlier.runs, ...results.runs } });
  await writeReport(await readResults());
}

const { parts, ...how } = readOptions();
try {
  process.stdout.write(`${summaryOf(await measureParts(parts, how))}\n`);
} catch (error) {
  process.stderr.write(`npm run bench: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
