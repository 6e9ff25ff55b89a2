import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plot, plotsOf, writePlots } from './plots.ts';
import { RESULTS, type Results } from './results.ts';
import { apiTable, loadTable, memoryTable, startTable, table, targetTable } from './tables.ts';

const REPORT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));

/** Writes `docs/benchmarks.md` and its plots. */
export async function writeReport(results: Results): Promise<void> {
  const plots = plotsOf(results);
  await writePlots(plots, dirname(RESULTS));
  await writeFile(REPORT, reportOf(results, plots));
}

/** Cores that may be busy on a quiet machine. */
const QUIET = 0.15;

const busy = (load: number): string =>
  `**Not on a quiet machine**: the work of others kept ${load.toFixed(1)} cores busy when it began. Rates and times are worse than they would
be, and ratios are those of servers that took turns between others. To be measured again.`;

const COMMAND = '```sh unrun: takes a quarter of an hour of a quiet machine\nnpm run bench\n```';

/** The text of the report. A test holds the file to it. */
export function reportOf(results: Results, plots: readonly Plot[] = plotsOf(results)): string {
  const { machine, othersLoad = 0, date, endpoint, api, starts, sizes, connections, jobs, replicas } = results;
  const sections = [
    `# What it costs

Written by \`npm run bench\`: the figures are in [results.json](benchmarks/results.json), and nothing here is typed by hand.
Measured on ${date} on ${machine}, two cores.${othersLoad > QUIET ? `\n\n${busy(othersLoad)}` : ''}

${COMMAND}

\`npm run bench -- --help\` lists the parts, which can be measured one by one. It needs two cores, Go, and \`wrk\`.

- **terraform-daemon** is the bundle with its compiled code and flags, started as the image starts it.
- **The Go peer** ([bench/go-peer](../bench/go-peer/main.go)) is a webhook for the same Jobs on controller-runtime. It decides, patches,
  warns and writes the same line of log, none left out. It has no manager, no cache and no certificates to look after.
- **The floor** ([bench/floor.ts](../bench/floor.ts)) is \`node:https\` with a constant answer.

Each has one core to itself, one after the other and each in turn the first; what calls them has the other core. TLS 1.3, RSA
2048, HTTP/1.1 on connections that stay open, as an API server does it. Figures are medians of the rounds, with the least and
the most of them in brackets. Before anything is measured, both webhooks are seen to make the same change.

## What was wanted

${targetTable(results)}`,
    endpoint && `## The endpoint, at ${endpoint.connections} connections\n\n${loadTable(endpoint)}`,
    endpoint &&
      `## Memory\n\n${memoryTable(endpoint)}\n\nThe daemon's is that of the whole of it: endpoint, watches, backstop, metrics.`,
    api &&
      `## Through the API server

${api.creates} Jobs of terraform-controller each way, one after the other, in turn. "Added" is the median of the differences to the Job beside
it that nothing looks at. Of ${api.plain.created} plain Jobs, ${api.plain.reached} reached the endpoint.

${apiTable(api)}`,
    starts && `## From the start to "ready"\n\n${startTable(starts)}`,
    sizes && `## Bytes\n\n${sizeTable(sizes)}`,
    connections && `## By connections\n\n${images(plots, ['requests.svg', 'p99.svg'])}`,
    jobs &&
      `## By Jobs in the cluster\n\n${jobTable(jobs)}\n\n${images(plots, ['backstop.svg', 'backstop-memory.svg'])}`,
    replicas && `## By replicas that start at once\n\n${replicaTable(replicas)}\n\n${images(plots, ['replicas.svg'])}`,
  ];
  return `${sections.filter((section) => section !== undefined).join('\n\n')}\n`;
}

const images = (plots: readonly Plot[], files: readonly string[]): string =>
  plots
    .filter(({ file }) => files.includes(file))
    .map(({ file, title, x }) => `![${title}, by ${x}](benchmarks/${file})`)
    .join('\n');

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const sizeTable = ({ bundleBytes, goBytes, compiledBytes, image }: NonNullable<Results['sizes']>): string =>
  table(
    ['', 'size'],
    [
      ['the bundle', megabytes(bundleBytes)],
      ['its compiled code', megabytes(compiledBytes)],
      ...(image
        ? [
            ['what the image adds to its base: both, the SBOM and the licences', megabytes(image.addedBytes)],
            ['the image, packed, on Debian with Node.js instead of distroless', megabytes(image.packedBytes)],
          ]
        : []),
      ['the Go peer', megabytes(goBytes)],
    ],
  );

const jobTable = (jobs: NonNullable<Results['jobs']>): string =>
  table(
    ['Jobs', 'ten missed ones capped after, s', 'CPU of the daemon, s', 'most memory, MiB'],
    jobs.map(({ jobs, seconds, cpuSeconds, peakMib }) => [
      jobs.toLocaleString('en'),
      seconds.toFixed(1),
      cpuSeconds.toFixed(1),
      peakMib.toFixed(0),
    ]),
  );

const replicaTable = (replicas: NonNullable<Results['replicas']>): string =>
  table(
    ['replicas', 'the last one is ready after, ms'],
    replicas.map(({ replicas, readyMs }) => [String(replicas), readyMs.toFixed(0)]),
  );
