import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { readArguments } from '../../tools/arguments.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { startAdmissionStream } from '../support/chaos/admission-stream.ts';
import { startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { asTheImage } from '../support/cluster/image-entrypoint.ts';
import { createManyJobs } from '../support/cluster/many-jobs.ts';
import { eventually } from '../support/eventually.ts';

const WINDOW_MS = 20_000;
const SAMPLE_MS = 500;
const PER_SECOND = 50;
const MANY = 10_000;
const NAMESPACE = 'sizing';
/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the unit of utime and stime on Linux. */
const TICK_MS = 10;

interface Row {
  readonly situation: string;
  /** Peak memory (RSS) in MiB. */
  readonly rss: number;
  /** Average CPU usage in millicores. */
  readonly cpu: number;
}

readArguments(`npm run sizing

Prints the table of docs/how-to/sizing.md: memory and CPU of one replica. Takes about three minutes.`);

const cluster = await startCluster();
try {
  await cluster.createNamespace(NAMESPACE);
  process.stdout.write('| one replica | memory (RSS, most) | CPU (mean) |\n| --- | --- | --- |\n');
  for (const measure of [atRest, underLoad, withManyJobs]) {
    for (const { situation, rss, cpu } of await measure()) {
      process.stdout.write(`| ${situation} | ${rss} MiB | ${cpu}m |\n`);
    }
  }
} finally {
  await cluster.stop();
}

async function withDaemon<T>(use: (daemon: Daemon) => Promise<T>): Promise<T> {
  // The default log level of an install, because debug lines would use CPU time.
  const flags = ['--log-level=info'];
  const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags, command: asTheImage });
  try {
    await daemon.line('jobs listed');
    return await use(daemon);
  } finally {
    await daemon.stop();
  }
}

function atRest(): Promise<Row[]> {
  return withDaemon(async (daemon) => {
    // After this time the process has released the memory that issuing certificates took.
    await delay(WINDOW_MS);
    return [{ situation: 'at rest', ...(await watch(daemon, WINDOW_MS)) }];
  });
}

function underLoad(): Promise<Row[]> {
  return withDaemon(async (daemon) => {
    await untilCapped();
    const stream = await startAdmissionStream(cluster, { namespace: NAMESPACE, perSecond: PER_SECOND });
    const seen = await watch(daemon, WINDOW_MS);
    const { perSecond, requests } = await stream.stop();
    const failed = requests.filter(({ outcome }) => outcome !== 'mutated').length;
    // Requests were missed because the machine was busy, so the measurement is unreliable.
    if (failed > 0)
      process.stderr.write(`${failed} of ${requests.length} Jobs were not capped: is the machine busy?\n`);
    return [{ situation: `${Math.round(perSecond)} Jobs created per second`, ...seen }];
  });
}

/** Waits until a Job is capped, because the API server sees a new registration with a delay. */
async function untilCapped(): Promise<void> {
  const body = await recordedJob('create-terraform-apply', NAMESPACE);
  await eventually(
    async () => {
      const job = await cluster.batch.createNamespacedJob({ namespace: NAMESPACE, body, dryRun: 'All' });
      assert.equal(job.spec?.backoffLimit, 0);
    },
    { withinMs: WINDOW_MS },
  );
}

async function withManyJobs(): Promise<Row[]> {
  const change = (job: V1Job) => ({ ...job, spec: { ...job.spec, backoffLimit: 0 } }) as V1Job;
  await createManyJobs(cluster.kubeconfig, { namespace: NAMESPACE, count: MANY, change });
  return withDaemon(async (daemon) => {
    const peak = await highWater(daemon);
    await delay(WINDOW_MS);
    const calm = await watch(daemon, WINDOW_MS);
    const jobs = `${MANY.toLocaleString('en')} Jobs in the cluster`;
    return [
      { situation: `${jobs}: the first list`, rss: peak.rss, cpu: peak.cpu },
      { situation: `${jobs}: at rest`, ...calm },
    ];
  });
}

async function watch({ pid }: Daemon, forMs: number): Promise<Omit<Row, 'situation'>> {
  const [start, before] = [performance.now(), await cpuMs(pid)];
  let rss = 0;
  while (performance.now() - start < forMs) {
    rss = Math.max(rss, await memoryOf(pid, 'VmRSS'));
    await delay(SAMPLE_MS);
  }
  return { rss, cpu: Math.round((((await cpuMs(pid)) - before) / (performance.now() - start)) * 1000) };
}

/** Returns the peak memory of the process, and its CPU time divided by the time from its first to its last log line. */
async function highWater({ pid, lines }: Daemon): Promise<Omit<Row, 'situation'>> {
  const times = [lines.at(0), lines.at(-1)].map((line) => new Date(String(line?.timestamp)).getTime());
  const [from = 0, to = 0] = times;
  return { rss: await memoryOf(pid, 'VmHWM'), cpu: Math.round(((await cpuMs(pid)) / (to - from)) * 1000) };
}

async function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024);
}

async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [, , , , , , , , , , , utime, stime] = stat.slice(stat.lastIndexOf(')')).split(' ');
  return (Number(utime) + Number(stime)) * TICK_MS;
}
