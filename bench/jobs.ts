import { createManyJobs } from '../test/support/cluster/many-jobs.ts';
import { type RawApi, rawApi } from '../test/support/cluster/raw-api.ts';
import { eventually } from '../test/support/eventually.ts';
import { cpuSeconds, memoryOf } from './process-figures.ts';
import type { CurveResults } from './results.ts';
import { startOurs } from './servers.ts';
import type { Stage } from './stage.ts';

const NAMESPACE = 'bench-jobs';
const UNCAPPED = 10;
/** The API server lists Jobs by name. With this prefix the uncapped Jobs are last in the list. */
const LAST_IN_THE_LIST = 'zz-uncapped';
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;

/**
 * Measures how long the backstop takes to cap ten uncapped Jobs among many capped Jobs, with its CPU time and its peak
 * of memory. The backstop lists all Jobs at the start.
 */
export async function measureJobs({ programs, cluster, isQuick, progress }: Stage): Promise<CurveResults['jobs']> {
  const points: CurveResults['jobs'][number][] = [];
  const api = await rawApi(cluster.kubeconfig);
  await cluster.forgetDaemon();
  await cluster.createNamespace(NAMESPACE);
  let created = 0;
  try {
    for (const jobs of isQuick ? [10, 500] : [10, 100, 1_000, 5_000, 10_000, 20_000]) {
      progress(`${jobs} Jobs in the cluster`, true);
      await createManyJobs(cluster.kubeconfig, {
        namespace: NAMESPACE,
        count: jobs - created,
        prefix: `once-${jobs}`,
        change: (job) => ({ ...job, spec: { ...job.spec, template: job.spec?.template as never, backoffLimit: 0 } }),
      });
      created = jobs;
      const uncapped = { namespace: NAMESPACE, count: UNCAPPED, prefix: LAST_IN_THE_LIST };
      await createManyJobs(cluster.kubeconfig, uncapped);
      const server = await startOurs(programs, cluster.daemonKubeconfig);
      const readyAt = performance.now();
      const cpuBefore = cpuSeconds(server.pid);
      await eventually(() => assertCapped(api), { withinMs: 120_000 });
      const seconds = (performance.now() - readyAt) / 1000;
      points.push({
        jobs,
        seconds,
        cpuSeconds: cpuSeconds(server.pid) - cpuBefore,
        peakMib: memoryOf(server.pid).peakMib,
      });
      await server.stop();
      for (let nth = 0; nth < UNCAPPED; nth++) {
        await api.call('DELETE', `${JOBS}/${LAST_IN_THE_LIST}-${nth}?propagationPolicy=Background`);
      }
    }
    return points;
  } finally {
    await api.call('DELETE', `${JOBS}?propagationPolicy=Background`);
    api.close();
  }
}

async function assertCapped(api: RawApi): Promise<void> {
  for (let nth = 0; nth < UNCAPPED; nth++) {
    const { body } = await api.call('GET', `${JOBS}/${LAST_IN_THE_LIST}-${nth}`);
    if (body.spec.backoffLimit !== 0) throw new Error(`${LAST_IN_THE_LIST}-${nth} is not capped`);
  }
}
