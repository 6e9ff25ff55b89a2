import { setTimeout as delay } from 'node:timers/promises';
import { countOutcomes } from '../support/chaos/admission-outcomes.ts';
import { type AdmissionStream, startAdmissionStream } from '../support/chaos/admission-stream.ts';
import { startTimeline, type Timeline } from '../support/chaos/timeline.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { asTheImage } from '../support/cluster/image-entrypoint.ts';
import { type Replica, startReplica } from '../support/cluster/replica.ts';
import { type Service, startService } from '../support/cluster/service.ts';
import { keepDeletingJobs } from './deleted-jobs.ts';
import { type FlagValues, readFlags } from './flags.ts';
import { markdownTable } from './markdown-table.ts';
import { type Holdings, holdingsOf } from './process-sample.ts';
import { type Sample, trendOf } from './trend.ts';
import { watchCounter } from './watch-count.ts';

const ABOUT = `npm run test:soak [-- FLAG…]

Creates a steady stream of Jobs for hours, with certificate lifetimes of minutes. Exits with code 0 only if no Job was lost
or stored uncapped, and memory, handles and watches of the replicas did not grow.`;

const duration = { allowed: /^\d+(s|m|h)$/, what: 'a duration such as 90s or 6m' };
const FLAGS = {
  minutes: { default: 120, low: 1, high: 10_000 },
  'per-second': { default: 50, low: 1, high: 500 },
  replicas: { default: 2, low: 1, high: 5 },
  'sample-seconds': { default: 15, low: 1, high: 600 },
  'ca-lifetime': { default: '3m', ...duration },
  'cert-lifetime': { default: '1m', ...duration },
  'settle-time': { default: '15s', ...duration },
};

const NAMESPACE = 'soak';
/** Approximate number of progress lines of a run. */
const LINES = 40;

const print = (text: string) => process.stdout.write(`${text}\n`);

interface Row {
  readonly atMs: number;
  readonly holdings: readonly Holdings[];
  readonly watches: number;
}

const MEASURES = [
  { name: 'RSS, MiB', floor: 2, of: ({ rssMiB }: Holdings) => rssMiB },
  { name: 'heap, MiB', floor: 2, of: ({ heapMiB }: Holdings) => heapMiB },
  { name: 'handles', floor: 2, of: ({ handles }: Holdings) => handles },
];

async function soak(flags: FlagValues<typeof FLAGS>, interrupted: AbortSignal): Promise<boolean> {
  const cluster = await startCluster();
  const [service, timeline] = await Promise.all([startService(), startTimeline(cluster)]);
  const replicas: Replica[] = [];
  try {
    await cluster.createNamespace(NAMESPACE);
    for (let nth = 0; nth < flags.replicas; nth++) replicas.push(await startOne(cluster, service, flags));
    const ended: string[] = [];
    for (const { pid, ended: end } of replicas) void end.then((how) => ended.push(`${pid} (${how})`));
    const stream = await startAdmissionStream(cluster, {
      namespace: NAMESPACE,
      perSecond: flags['per-second'],
      realEvery: 1,
    });
    const over = new AbortController();
    const deleting = keepDeletingJobs(cluster, NAMESPACE, over.signal);
    const rows = await sampleUntilOver({ cluster, replicas, stream, timeline }, flags, interrupted);
    const { requests, perSecond } = await stream.stop();
    over.abort();
    await deleting;
    const minutes = (rows.at(-1)?.atMs ?? 0) / 60_000;
    print(`\n${minutes.toFixed(1)} minutes, ${perSecond.toFixed(1)} Jobs a second created and deleted\n`);
    const { sent, lost, unmutated, longestGapMs } = countOutcomes(requests);
    const [authorities, certificates] = [distinct(timeline, 'ca.key'), distinct(timeline, 'tls.crt')];
    const counts = [sent, lost, unmutated, longestGapMs, authorities, certificates];
    print(markdownTable(['Jobs', 'lost', 'unmutated', 'longest gap, ms', 'CAs', 'serving certificates'], [counts]));
    for (const { outcome, detail, sentAt } of requests.filter(({ outcome }) => outcome !== 'mutated').slice(0, 20)) {
      print(`${sentAt.toISOString()} ${outcome}: ${detail}`);
    }
    const hasGrown = printTrends(rows);
    if (ended.length > 0) print(`ended by themselves: ${ended.join(', ')}`);
    return ended.length === 0 && lost === 0 && unmutated === 0 && !hasGrown && !interrupted.aborted;
  } finally {
    await Promise.all(replicas.map((replica) => replica.stop('SIGKILL')));
    timeline.stop();
    await service.close();
    await cluster.stop();
  }
}

async function startOne(cluster: Cluster, service: Service, flags: FlagValues<typeof FLAGS>): Promise<Replica> {
  const lifetimes = (['ca-lifetime', 'cert-lifetime', 'settle-time'] as const).map(
    (name) => `--${name}=${flags[name]}`,
  );
  const replica = await startReplica(service, {
    kubeconfig: cluster.daemonKubeconfig,
    flags: ['--log-level=info', ...lifetimes],
    command: asTheImage,
    remembersLines: 1_000,
  });
  await replica.line('ready');
  return replica;
}

interface Running {
  readonly cluster: Cluster;
  readonly replicas: readonly Replica[];
  readonly stream: AdmissionStream;
  readonly timeline: Timeline;
}

async function sampleUntilOver(
  { cluster, replicas, stream, timeline }: Running,
  flags: FlagValues<typeof FLAGS>,
  interrupted: AbortSignal,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const countWatches = await watchCounter(cluster.kubeconfig);
  const lengthMs = flags.minutes * 60_000;
  const printEvery = Math.max(1, Math.round(lengthMs / 1_000 / flags['sample-seconds'] / LINES));
  const startedAt = performance.now();
  print('time; of each replica RSS/heap/handles; watches; sent, lost, unmutated; CAs, serving certificates');
  while (performance.now() - startedAt < lengthMs && !interrupted.aborted) {
    await delay(flags['sample-seconds'] * 1_000, undefined, { signal: interrupted }).catch(() => {});
    const [watches, ...holdings] = await Promise.all([countWatches(), ...replicas.map(holdingsOf)]);
    const atMs = performance.now() - startedAt;
    const answers = holdings.filter((one) => one !== undefined);
    // A replica can miss a sample on a busy machine.
    if (answers.length < holdings.length) {
      print(`no sample at ${(atMs / 60_000).toFixed(1)} min: a replica did not answer`);
      continue;
    }
    const row: Row = { atMs, watches, holdings: answers };
    rows.push(row);
    if (rows.length % printEvery === 0) printRow(row, stream, timeline);
  }
  return rows;
}

function printRow({ atMs, watches, holdings }: Row, stream: AdmissionStream, timeline: Timeline): void {
  const { sent, lost, unmutated } = countOutcomes(stream.requests());
  const held = holdings.map((one) => `${one.rssMiB.toFixed(0)}/${one.heapMiB.toFixed(0)}/${one.handles}`);
  const counts = `${sent}, ${lost}, ${unmutated}; ${distinct(timeline, 'ca.key')}, ${distinct(timeline, 'tls.crt')}`;
  print(`${(atMs / 60_000).toFixed(1).padStart(6)} min; ${held.join('  ')}; ${watches}; ${counts}`);
}

/** Prints the trend of each measure. Returns whether any of them grows. */
function printTrends(rows: readonly Row[]): boolean {
  const ofReplicas = (rows[0]?.holdings ?? []).flatMap((_, nth) =>
    MEASURES.map(({ name, floor, of }) => {
      const samples = rows.map(({ atMs, holdings }) => ({ atMs, value: of(holdings[nth] as Holdings) }));
      return { name: `${name}, replica ${nth + 1}`, samples, floor };
    }),
  );
  const watches: Sample[] = rows.map(({ atMs, watches }) => ({ atMs, value: watches }));
  const trends = [...ofReplicas, { name: 'watches on the API server', samples: watches, floor: 2 }].map((one) => ({
    ...one,
    ...trendOf(one.samples, one.floor),
  }));
  print(
    markdownTable(
      ['what', 'first', 'mean of the last two thirds', 'last', 'growth per hour', 'noise', 'verdict'],
      trends.map(({ name, samples, mean, growthPerHour, noise, isGrowing }) => [
        name,
        ...[samples[0]?.value ?? 0, mean, samples.at(-1)?.value ?? 0, growthPerHour, noise].map((n) => n.toFixed(1)),
        isGrowing ? 'GROWS' : 'steady',
      ]),
    ),
  );
  return trends.some(({ isGrowing }) => isGrowing);
}

/** Returns how many different values a key of the Secret had during the run. */
const distinct = (timeline: Timeline, key: string): number =>
  new Set(timeline.moments().flatMap(({ secret }) => secret?.data?.[key] ?? [])).size;

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interruption.abort());
try {
  const isWell = await soak(readFlags(FLAGS, ABOUT), interruption.signal);
  print(isWell ? 'Each guarantee held.' : 'A guarantee did not hold.');
  process.exitCode = isWell ? 0 : 1;
} catch (error) {
  print(`npm run test:soak: ${error instanceof Error ? error.message : error}`);
  // `process.exit` is necessary: after an error in the middle of a run, the stream of Jobs keeps the process alive.
  process.exit(2);
}
