import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Link, startLink } from '../test/support/chaos/link.ts';
import { cpuSeconds, memoryOf } from './process-figures.ts';
import type { AtRest, RestResults } from './results.ts';
import { type Server, startOurs } from './servers.ts';
import type { Stage } from './stage.ts';

/** The time between the start of the replicas and the measurement, so that the start is not part of it. */
const SETTLE_MS = 10_000;

interface Replica {
  readonly server: Server;
  readonly link: Link;
}

/** Measures two replicas at rest, twice. Their watches are open, and no Job and no request arrives. */
export async function measureRest(stage: Stage): Promise<RestResults> {
  const { cluster, isQuick, progress } = stage;
  await cluster.forgetDaemon();
  const seconds = isQuick ? 20 : 600;
  // Both replicas have the same host name. So the second one takes the Lease: the first one seems to be its own
  // predecessor, an earlier container of its Pod.
  const other = await startReplica(stage);
  const holder = await startReplica(stage, other.server.port);
  try {
    await delay(SETTLE_MS);
    const turns: RestResults['turns'][number][] = [];
    for (const turn of [1, 2]) {
      progress(`two replicas at rest, turn ${turn} of 2, ${seconds} s`, true);
      const [withLease, withoutLease] = await Promise.all([atRest(holder, seconds), atRest(other, seconds)]);
      turns.push({ withLease, withoutLease });
    }
    return { seconds, turns };
  } finally {
    await Promise.all([holder, other].map(({ server }) => server.stop()));
    await Promise.all([holder, other].map(({ link }) => link.close()));
  }
}

/** Starts a replica that reaches the API server through a link of its own, which counts connections. */
async function startReplica({ programs, cluster, folder }: Stage, servicePort?: number): Promise<Replica> {
  const link = await startLink([Number(new URL(cluster.url).port)]);
  const kubeconfig = join(folder, `${link.port}.kubeconfig`);
  const text = await readFile(cluster.daemonKubeconfig, 'utf8');
  await writeFile(kubeconfig, text.replaceAll(cluster.url, `https://127.0.0.1:${link.port}`), { mode: 0o600 });
  const flags = servicePort === undefined ? [] : [`--service-port=${servicePort}`];
  return { server: await startOurs(programs, kubeconfig, flags), link };
}

async function atRest({ server: { pid }, link }: Replica, seconds: number): Promise<AtRest> {
  const read = () => ({ cpu: cpuSeconds(pid), wakes: wakeUps(pid), opened: link.opened(), atMs: performance.now() });
  const before = read();
  await delay(seconds * 1000);
  const after = read();
  const elapsed = (after.atMs - before.atMs) / 1000;
  const perMinute = (count: number) => (count * 60) / elapsed;
  return {
    millicores: ((after.cpu - before.cpu) * 1000) / elapsed,
    switchesPerMinute: perMinute(after.wakes - before.wakes),
    handshakesPerMinute: perMinute(after.opened - before.opened),
    rssMib: memoryOf(pid).rssMib,
    pssMib: proportionalMib(pid),
  };
}

/** Returns how often the threads of a process have waited and were woken up so far. */
function wakeUps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))
    .map((status) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]))
    .reduce((one, other) => one + other, 0);
}

/** Returns the proportional memory (PSS) in MiB: a page that n processes share counts as 1/n. */
function proportionalMib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) / 1024;
}
