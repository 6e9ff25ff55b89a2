import { setTimeout as delay } from 'node:timers/promises';
import { removeFinishedJobs, storeFinishedJobs } from '../test/support/cluster/finished-jobs.ts';
import { createManyJobs } from '../test/support/cluster/many-jobs.ts';
import { type RawApi, rawApi } from '../test/support/cluster/raw-api.ts';
import { eventually } from '../test/support/eventually.ts';
import { cpuSeconds, memoryOf, pidOf } from './process-figures.ts';
import type { CurveResults, JobsPoint, StartWithJobs } from './results.ts';
import { startOurs } from './servers.ts';
import type { Stage } from './stage.ts';

const UNCAPPED = 10;
/** The API server lists Jobs by name. With this prefix the uncapped Jobs are last in the list. */
const LAST_IN_THE_LIST = 'zz-uncapped';

/** The numbers of finished Jobs, and how they ended. A cluster with many failed Jobs is rare, but the worst case. */
const POINTS: readonly Pick<JobsPoint, 'jobs' | 'ended'>[] = [
  ...[10, 1_000, 10_000, 100_000].map((jobs) => ({ jobs, ended: 'Complete' as const })),
  ...[10_000, 100_000].map((jobs) => ({ jobs, ended: 'Failed' as const })),
];
const QUICK_POINTS = [10, 500].map((jobs) => ({ jobs, ended: 'Complete' as const }));
/** The start is over when the daemon has used at most this CPU time in a second. */
const CALM_CPU_SECONDS = 0.1;

/**
 * Measures how long the backstop takes to cap ten uncapped Jobs among many finished Jobs, with the memory and the CPU time
 * of its whole start, and the CPU time of the API server meanwhile.
 */
export async function measureJobs(stage: Stage): Promise<CurveResults['jobs']> {
  const { cluster, isQuick, progress } = stage;
  const points: JobsPoint[] = [];
  await cluster.forgetDaemon();
  for (const { jobs, ended } of isQuick ? QUICK_POINTS : POINTS) {
    const namespace = `bench-jobs-${ended.toLowerCase()}-${jobs}`;
    progress(`${jobs} Jobs that are ${ended}`, true);
    await cluster.createNamespace(namespace);
    const finished = { namespace, count: jobs, prefix: 'once', ended };
    await storeFinishedJobs(cluster.kubeconfig, finished);
    try {
      await createManyJobs(cluster.kubeconfig, { namespace, count: UNCAPPED, prefix: LAST_IN_THE_LIST });
      points.push({ jobs, ended, ...(await measureStart(stage, namespace)) });
    } finally {
      await removeFinishedJobs(cluster.kubeconfig, finished);
      await removeUncapped(stage, namespace);
    }
  }
  return points;
}

async function measureStart({ programs, cluster }: Stage, namespace: string): Promise<StartWithJobs> {
  const api = await rawApi(cluster.kubeconfig);
  const apiServer = pidOf(`--secure-port=${new URL(cluster.url).port}`);
  const apiServerBefore = cpuSeconds(apiServer);
  const server = await startOurs(programs, cluster.daemonKubeconfig);
  try {
    const readyAt = performance.now();
    await eventually(() => assertCapped(api, namespace), { withinMs: 120_000 });
    const seconds = (performance.now() - readyAt) / 1000;
    const cpu = await untilCalm(server.pid);
    const apiServerCpuSeconds = cpuSeconds(apiServer) - apiServerBefore;
    return { seconds, cpuSeconds: cpu, apiServerCpuSeconds, peakMib: memoryOf(server.pid).peakMib };
  } finally {
    await server.stop();
    api.close();
  }
}

/** Resolves with the CPU seconds of the process when it has become idle. */
async function untilCalm(pid: number): Promise<number> {
  for (let before = cpuSeconds(pid); ; ) {
    await delay(1_000);
    const now = cpuSeconds(pid);
    if (now - before <= CALM_CPU_SECONDS) return now;
    before = now;
  }
}

async function removeUncapped({ cluster }: Stage, namespace: string): Promise<void> {
  const api = await rawApi(cluster.kubeconfig);
  await api.call('DELETE', `${jobsIn(namespace)}?propagationPolicy=Background`);
  api.close();
}

const jobsIn = (namespace: string) => `/apis/batch/v1/namespaces/${namespace}/jobs`;

async function assertCapped(api: RawApi, namespace: string): Promise<void> {
  for (let nth = 0; nth < UNCAPPED; nth++) {
    const { body } = await api.call('GET', `${jobsIn(namespace)}/${LAST_IN_THE_LIST}-${nth}`);
    if (body.spec.backoffLimit !== 0) throw new Error(`${LAST_IN_THE_LIST}-${nth} is not capped`);
  }
}
