import assert from 'node:assert/strict';
import type { Json } from '../test/support/builders/a-job.ts';
import { recordedJob } from '../test/support/builders/recorded-jobs.ts';
import { samplesOf } from '../test/support/cluster/exposition.ts';
import { type RawApi, rawApi } from '../test/support/cluster/raw-api.ts';
import { eventually } from '../test/support/eventually.ts';
import { freePort } from '../tools/control-plane/free-port.ts';
import type { Progress } from '../tools/control-plane/progress.ts';
import { quantile, rotated } from './figures.ts';
import { type ApiResults, type Way, ways } from './results.ts';
import { startOurs, startPeer } from './servers.ts';
import type { Stage } from './stage.ts';
import { installWays, jobsOf, removeWays } from './ways.ts';

const WARM_UP = 60;

/**
 * Measures how long the API server needs to create a Job: without capping, and with capping by a
 * MutatingAdmissionPolicy, by the daemon and by the Go webhooks. Also counts the webhook calls for Jobs that match no
 * rule.
 */
export async function measureThroughApi({ programs, cluster, isQuick, progress }: Stage): Promise<ApiResults> {
  await cluster.forgetDaemon();
  const probesPort = await freePort();
  // With the backstop on, the daemon would also cap the Jobs in the namespaces of the Go webhooks and of the
  // MutatingAdmissionPolicy, and use CPU time for it.
  const ours = await startOurs(programs, cluster.daemonKubeconfig, ['--heal=off', `--metrics-bind-port=${probesPort}`]);
  const plainGo = await startPeer('plainGo', programs);
  const controllerRuntime = await startPeer('controllerRuntime', programs);
  const peers = [plainGo, controllerRuntime];
  const api = await rawApi(cluster.kubeconfig);
  try {
    await installWays(api, peers, programs.caBundle);
    await eventually(() => assertWays(api), { withinMs: 30_000 });
    await createInTurn(api, { count: WARM_UP, prefix: 'warm-up' }, progress);
    const seen = await createInTurn(api, { count: isQuick ? 60 : 500, prefix: 'measured' }, progress);
    const added = (way: Way): number => quantile(differences(seen[way], seen.nothing), 0.5);
    return {
      creates: seen.nothing.length,
      total: eachWay((way) => ({ p50Ms: quantile(seen[way], 0.5), p99Ms: quantile(seen[way], 0.99) })),
      added: {
        policy: added('policy'),
        ours: added('ours'),
        plainGo: added('plainGo'),
        controllerRuntime: added('controllerRuntime'),
      },
      plain: await countPlain(api, probesPort, isQuick ? 20 : 200),
    };
  } finally {
    await removeWays(api, peers);
    api.close();
    await Promise.all([ours, ...peers].map((server) => server.stop()));
  }
}

const eachWay = <T>(value: (way: Way) => T): Readonly<Record<Way, T>> => ({
  nothing: value('nothing'),
  policy: value('policy'),
  ours: value('ours'),
  plainGo: value('plainGo'),
  controllerRuntime: value('controllerRuntime'),
});

const differences = (some: readonly number[], others: readonly number[]): number[] =>
  some.map((ms, nth) => ms - (others[nth] ?? Number.NaN));

/**
 * Throws unless a new Job is capped by each webhook and policy, and unchanged in the namespace without capping. Call it
 * with `eventually`, because the API server applies new webhooks and policies with a delay.
 */
async function assertWays(api: RawApi): Promise<void> {
  for (const way of ways) {
    const { body } = await create(api, way, await aJob(way, `trial-${Math.random().toString(36).slice(2)}`));
    assert.equal(body.spec.template.spec.restartPolicy, way === 'nothing' ? 'OnFailure' : 'Never', way);
    assert.equal(body.spec.backoffLimit === 0, way !== 'nothing', way);
  }
}

async function aJob(way: Way, name: string): Promise<Json> {
  const job: Json = await recordedJob('create-terraform-apply', jobsOf(way).namespace);
  return { ...job, metadata: { ...job.metadata, name } };
}

async function create(api: RawApi, way: Way, job: Json) {
  const reply = await api.call('POST', jobsOf(way).path, job);
  assert.equal(reply.status, 201, JSON.stringify(reply.body));
  return reply;
}

interface Creates {
  readonly count: number;
  readonly prefix: string;
}

/** Creates `count` Jobs with each way of capping, and returns the latency of each creation in ms. */
async function createInTurn(api: RawApi, { count, prefix }: Creates, progress: Progress) {
  const seen = eachWay((): number[] => []);
  for (let nth = 0; nth < count; nth++) {
    progress(`Job ${nth + 1} of ${count}, each way`, true);
    for (const way of rotated(ways, nth)) {
      const job = await aJob(way, `${prefix}-${nth}`);
      const startedAt = performance.now();
      await create(api, way, job);
      seen[way].push(performance.now() - startedAt);
    }
  }
  return seen;
}

/** Creates Jobs that match no rule, in the namespace of the daemon's webhook, and counts the calls of the endpoint. */
async function countPlain(api: RawApi, probesPort: number, count: number): Promise<ApiResults['plain']> {
  const job: Json = await recordedJob('create-plain-job', jobsOf('ours').namespace);
  const before = await callsOf(probesPort);
  for (let nth = 0; nth < count; nth++) {
    await create(api, 'ours', { ...job, metadata: { ...job.metadata, name: `plain-${nth}` } });
  }
  return { created: count, reached: (await callsOf(probesPort)) - before };
}

/**
 * Returns how many admission requests the endpoint has answered so far. Reads the number from the metrics of the
 * daemon.
 */
async function callsOf(probesPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${probesPort}/metrics`);
  const { samples } = samplesOf(await response.text());
  const calls = [...samples].filter(([name]) => name.startsWith('terraform_daemon_admission_requests_total'));
  return calls.reduce((sum, [, value]) => sum + value, 0);
}
