import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markdownTable } from '../tools/docs/markdown-table.ts';
import { type Plot, plotsOf, writePlots } from './plots.ts';
import { partNames, RESULTS, type Results, type Run } from './results.ts';
import { rowsOf, serverTexts } from './server-names.ts';
import {
  apiTable,
  choiceTable,
  loadTable,
  memoryTable,
  restTable,
  standings,
  startTable,
  targetTable,
} from './tables.ts';

const REPORT = fileURLToPath(new URL('../docs/explanation/benchmarks.md', import.meta.url));

/** Writes `docs/explanation/benchmarks.md` and its plots. */
export async function writeReport(results: Results): Promise<void> {
  const plots = plotsOf(results);
  await writePlots(plots, dirname(RESULTS));
  await writeFile(REPORT, reportOf(results, plots));
}

/** The first section: the figures of the choice between the daemon and a webhook that a user writes. */
const choiceOf = (endpoint: NonNullable<Results['endpoint']>): string => `## The choice

A user can also write a webhook, in Go or in Rust. On one core, with ${endpoint.connections} connections that send the recorded CREATE of a Job:

${choiceTable(endpoint)}

${standings(endpoint)}${endpoint.load.create.rust ? '' : '\n\nThe machine had no cargo, so there is no webhook in Rust.'}

The table has medians of [several turns](#throughput-and-latency-at-${endpoint.connections}-connections), and the memory of one start. A
factor says how many times as good the better figure is. It is left out if the turns of the two overlap. A cluster creates a few such Jobs a
minute, so a user notices the memory and [the time that a Job takes](#latency-of-the-creation-of-a-job-at-the-api-server) rather than the peak.`;

/** Number of busy cores up to which a machine counts as quiet. */
const QUIET = 0.15;

/** Returns the date and the machine of each run, with the names of its parts if the page has several runs. */
function runTexts(runs: NonNullable<Results['runs']>): string {
  const measured = partNames.filter((part) => runs[part] !== undefined);
  const byRun = [...Map.groupBy(measured, (part) => JSON.stringify(runs[part]))];
  const texts = byRun.map(([run, parts]) => {
    const { date, machine, othersLoad }: Run = JSON.parse(run);
    const used = `The run of ${date} used ${machine}, two cores`;
    const what = byRun.length === 1 ? '' : `, for the parts ${parts.join(', ')}`;
    return `${used}${what}.${othersLoad > QUIET ? `\n\n${busy(othersLoad)}` : ''}`;
  });
  return texts.join('\n\n');
}

const busy = (load: number): string =>
  `**The machine was not quiet**: other processes kept ${load.toFixed(1)} cores busy at the start. Rates and times are worse than on a
quiet machine. Measure again.`;

const COMMAND = '```sh unrun: takes about 35 minutes and needs a quiet machine\nnpm run bench\n```';

/**
 * Returns the text of docs/explanation/benchmarks.md for these results. A unit test compares the document with this
 * text.
 */
export function reportOf(results: Results, plots: readonly Plot[] = plotsOf(results)): string {
  const { runs = {}, endpoint, api, starts, sizes, connections, jobs, replicas, rest } = results;
  const sections = [
    `# Benchmarks

\`npm run bench\` writes this page from [results.json](benchmarks/results.json). Do not edit the page.
${runTexts(runs)}

${COMMAND}

The benchmark needs two cores, Go, \`taskset\` and \`wrk\`. \`npm run bench -- --help\` lists the parts that can be measured alone.`,
    endpoint && choiceOf(endpoint),
    `## Servers

- **terraform-daemon** is the daemon with the bundle, compiled code and flags of the image.
- **Go, net/http and encoding/json** ([bench/go-peer/plain](../../bench/go-peer/plain/main.go)) decodes a review into structs with the fields that a
  decision reads.
- **Go, controller-runtime** ([bench/go-peer/controller-runtime](../../bench/go-peer/controller-runtime/main.go)) decodes the Job into its typed
  struct, and compares the JSON before and after the change. It has no manager and no cache.
- **Rust, hyper and serde_json** ([bench/rust-peer](../../bench/rust-peer/src/main.rs)) decodes as the first webhook in Go does.
- **The floor** ([bench/floor.ts](../../bench/floor.ts)) is \`node:https\` with a constant answer. It shows the cost of Node.js alone. A second floor
  reads and parses the body before it answers.

Before the measurement, the benchmark sends all webhooks the recorded reviews and changed ones
([bench/cases.ts](../../bench/cases.ts)). It stops unless each webhook gives the answer of the daemon: the same Job after the patch, the same
warnings and audit annotations, and the same log line for each capped Job. The webhooks in Go and Rust do nothing else: they manage no
certificates, have no registration, no metrics and no backstop.

Only one server is under load at a time. The servers run on one core, and the load runs on the other core. Connections use TLS 1.3, RSA 2048
and HTTP/1.1, and stay open. A figure with parentheses is the median of several turns, with the minimum and the maximum in the parentheses: the
servers take turns, in an order that changes.

## Targets

The targets are goals for the code. Nothing fails and no user has to act if one is missed: [the choice](#the-choice) and
[sizing](../how-to/sizing.md) show what it costs. [Performance notes](performance-notes.md) have what was tried.

${targetTable(results)}`,
    endpoint && `## Throughput and latency at ${endpoint.connections} connections\n\n${loadTable(endpoint)}`,
    endpoint &&
      `## Memory\n\n${memoryTable(endpoint)}\n\nEach row is one start of the server. The figure of the daemon includes its endpoint, watches, backstop and metrics.`,
    api &&
      `## Latency of the creation of a Job at the API server

The benchmark creates ${api.creates} Jobs of terraform-controller in each of the ways below, in turn. The added latency is the median
difference to the creation without webhook and policy in the same turn. Of ${api.plain.created} plain Jobs, ${api.plain.reached} reached the endpoint.

${apiTable(api)}`,
    starts && `## Time from the start to "ready"\n\n${startTable(starts)}`,
    sizes && `## Sizes\n\n${sizeTable(sizes)}`,
    connections &&
      `## Throughput and latency by number of connections\n\nEach point is one measurement of 3 s, in the same order of servers.\n\n${images(plots, ['requests.svg', 'p99.svg'])}`,
    jobs &&
      `## Backstop by number of Jobs in the cluster\n\nEach row is one start.\n\n${jobTable(jobs)}\n\n${images(plots, ['backstop.svg', 'backstop-memory.svg'])}`,
    replicas &&
      `## Start by number of replicas\n\nEach time is the median of several rounds.\n\n${replicaTable(replicas)}\n\n${images(plots, ['replicas.svg'])}`,
    rest &&
      `## At rest

Two replicas run for ${rest.seconds} s in each turn, with their watches open, and nothing happens. The replica with the Lease calls the API server
every four seconds to renew it. The other replica reads the Lease every two seconds, so it does not use less CPU.

${restTable(rest)}`,
  ];
  return `${sections.filter((section) => section !== undefined).join('\n\n')}\n`;
}

const images = (plots: readonly Plot[], files: readonly string[]): string =>
  plots
    .filter(({ file }) => files.includes(file))
    .map(({ file, title, x }) => `![${title}, by ${x}](benchmarks/${file})`)
    .join('\n');

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const sizeTable = ({ bundleBytes, peerBytes, compiledBytes, image }: NonNullable<Results['sizes']>): string =>
  markdownTable(
    ['file', 'size'],
    [
      ['the bundle', megabytes(bundleBytes)],
      ['compiled code of the bundle', megabytes(compiledBytes)],
      ...(image
        ? [
            [
              'additions of the image to its base: bundle, compiled code, SBOM and licences',
              megabytes(image.addedBytes),
            ],
            [
              'archive of the image on a Debian base with Node.js (instead of distroless)',
              megabytes(image.packedBytes),
            ],
          ]
        : []),
      ...rowsOf(peerBytes).map(([name, bytes]) => [serverTexts[name], megabytes(bytes)]),
    ],
  );

const jobTable = (jobs: NonNullable<Results['jobs']>): string =>
  markdownTable(
    [
      'finished Jobs in the cluster',
      'ten uncapped Jobs capped after, s',
      'CPU of the daemon for the whole start, s',
      'CPU of the API server meanwhile, s',
      'peak memory, MiB',
    ],
    jobs.map(({ jobs, ended, seconds, cpuSeconds, apiServerCpuSeconds, peakMib }) => [
      `${jobs.toLocaleString('en')} ${ended}`,
      seconds.toFixed(1),
      cpuSeconds.toFixed(1),
      apiServerCpuSeconds.toFixed(1),
      peakMib.toFixed(0),
    ]),
  );

const replicaTable = (replicas: NonNullable<Results['replicas']>): string =>
  markdownTable(
    ['replicas that start at once', 'last replica ready after, ms'],
    replicas.map(({ replicas, readyMs }) => [String(replicas), readyMs.toFixed(0)]),
  );
