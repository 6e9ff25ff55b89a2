import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { recordedJob } from '../builders/recorded-jobs.ts';
import { type ApiCredentials, readApiCredentials } from '../cluster/api-credentials.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { AdmissionOutcome, AdmissionRequest } from './admission-outcomes.ts';

/** No webhook may hold an answer back for longer, whatever its `timeoutSeconds`. */
const ANSWER_MS = 35_000;
/** Well before the API server gives an idle connection up (90 s): a request must not meet its end. */
const IDLE_MS = 30_000;
/** What is later than that is not sent at all: to make up for it would be a burst, which a slow machine never gets over. */
const TOLERATED_LAG_MS = 250;

/** Carries the Jobs that are really stored, so that they can be told from everybody else's. */
const LABEL = 'admission-stream';
/** Tells those of one stretch of time from the others. */
export const PART_LABEL = 'admission-stream-part';
/** How long such a stretch is. */
export const PART_MS = 10_000;

export interface StreamOptions {
  /** A namespace that exists. */
  readonly namespace: string;
  readonly perSecond?: number;
  /** Each keeps connections of its own. */
  readonly clients?: number;
  /** All other CREATEs are dry runs: those are admitted just the same and leave nothing in etcd. Default: each tenth. */
  readonly realEvery?: number;
  /** Of the API servers that take turns. Default: the cluster's own. */
  readonly kubeconfigs?: readonly string[];
}

export interface StreamReport {
  /** In the order of their answers. */
  readonly requests: readonly AdmissionRequest[];
  /** What was reached. */
  readonly perSecond: number;
  /** How many were not sent, as their time had passed. */
  readonly leftOut: number;
}

/** A steady stream of CREATEs of terraform's Jobs, as a cluster admin sends them. */
export interface AdmissionStream {
  /** Selects the Jobs that it has really stored. */
  readonly labelSelector: string;
  /** Those that were answered so far. */
  requests(): readonly AdmissionRequest[];
  /** Sends no more and waits for the answers. What was stored stays. */
  finish(): Promise<StreamReport>;
  /** Sends no more, waits for the answers, and deletes the Jobs that were really stored. Safe to call again. */
  stop(): Promise<StreamReport>;
}

/**
 * Starts an open loop: it sends evenly and does not slow down when answers are late. What cannot be sent in time is
 * left out, and reported on stderr at the end.
 */
export async function startAdmissionStream(
  cluster: Pick<Cluster, 'kubeconfig' | 'batch'>,
  { namespace, perSecond = 120, clients = 4, realEvery = 10, kubeconfigs = [cluster.kubeconfig] }: StreamOptions,
): Promise<AdmissionStream> {
  const run = `stream-${randomUUID().slice(0, 8)}`;
  const labelSelector = `${LABEL}=${run}`;
  const servers = await Promise.all(kubeconfigs.map(readApiCredentials));
  const job = await recordedJob('create-terraform-apply', namespace);
  const agents = servers.map(({ tls }) =>
    Array.from({ length: clients }, () => new Agent({ ...tls, keepAlive: true, timeout: IDLE_MS })),
  );
  const answered: AdmissionRequest[] = [];
  const open = new Set<Promise<void>>();
  const stopped = new AbortController();

  const send = (nth: number) => {
    const isReal = nth % realEvery === realEvery - 1;
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs${isReal ? '' : '?dryRun=All'}`;
    const via = nth % servers.length;
    const agent = agents[via]?.[Math.floor(nth / servers.length) % clients];
    const labels = { [LABEL]: run, [PART_LABEL]: String(Math.floor((nth * 1000) / perSecond / PART_MS)) };
    const call = { credentials: servers[via] as ApiCredentials, agent, path, job: named(job, `${run}-${nth}`, labels) };
    const answer = create(call).then((one) => void answered.push({ ...one, via }));
    open.add(answer);
    void answer.finally(() => open.delete(answer));
  };
  const pace = keepPace(perSecond, stopped.signal, send);

  const finish = async (): Promise<StreamReport> => {
    stopped.abort();
    const reached = await pace;
    await Promise.all(open);
    return { requests: answered, ...reached };
  };
  const end = async (): Promise<StreamReport> => {
    const reached = await finish();
    for (const agent of agents.flat()) agent.destroy();
    await cluster.batch.deleteCollectionNamespacedJob({ namespace, labelSelector, propagationPolicy: 'Background' });
    if (reached.leftOut > 0) process.stderr.write(`${shortfall(reached, perSecond)}\n`);
    return reached;
  };
  let ended: Promise<StreamReport> | undefined;
  return {
    labelSelector,
    requests: () => [...answered],
    finish,
    stop: () => {
      ended ??= end();
      return ended;
    },
  };
}

type Pace = Omit<StreamReport, 'requests'>;

/** Calls `send` so many times a second until the signal is aborted, and answers how well that went. */
async function keepPace(perSecond: number, signal: AbortSignal, send: (nth: number) => void): Promise<Pace> {
  const startedAt = performance.now();
  let leftOut = 0;
  for (let nth = 0; ; nth++) {
    const dueAt = startedAt + (nth * 1000) / perSecond;
    // Also where it is late: answers have to be read in between.
    await delay(Math.max(0, dueAt - performance.now()), undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      return { perSecond: ((nth - leftOut) * 1000) / (performance.now() - startedAt), leftOut };
    }
    if (performance.now() - dueAt > TOLERATED_LAG_MS) leftOut++;
    else send(nth);
  }
}

const shortfall = ({ perSecond, leftOut }: Pace, wanted: number): string =>
  `the machine was busy: the admission stream has left ${leftOut} out, and reached ${perSecond.toFixed(1)}/s of ${wanted}/s`;

const named = ({ metadata, ...job }: V1Job, name: string, labels: Readonly<Record<string, string>>): V1Job => ({
  ...job,
  metadata: { ...metadata, name, labels },
});

interface Call {
  readonly credentials: ApiCredentials;
  readonly agent: Agent | undefined;
  readonly path: string;
  readonly job: V1Job;
}

async function create(call: Call): Promise<Omit<AdmissionRequest, 'via'>> {
  const sentAt = new Date();
  const verdict = await post(call)
    .then(judge)
    .catch((error: unknown) => ({ outcome: 'lost' as const, detail: String(error) }));
  return { name: call.job.metadata?.name ?? '', sentAt, answeredAt: new Date(), ...verdict };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post({ credentials, agent, path, job }: Call): Promise<Answer> {
  const call = request({
    host: credentials.host,
    port: credentials.port,
    agent,
    method: 'POST',
    path,
    headers: { ...credentials.headers, 'Content-Type': 'application/json' },
    timeout: ANSWER_MS,
  });
  call.on('timeout', () => call.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
  call.end(JSON.stringify(job));
  const [response] = await once(call, 'response');
  return { status: response.statusCode, text: Buffer.concat(await response.toArray()).toString() };
}

function judge({ status, text }: Answer): { readonly outcome: AdmissionOutcome; readonly detail: string } {
  if (status !== 201) return { outcome: 'lost', detail: `HTTP ${status}: ${text.slice(0, 300)}` };
  const { spec } = JSON.parse(text) as V1Job;
  const restartPolicy = spec?.template.spec?.restartPolicy;
  if (spec?.backoffLimit === 0 && restartPolicy === 'Never') return { outcome: 'mutated', detail: '' };
  return { outcome: 'unmutated', detail: `backoffLimit ${spec?.backoffLimit}, restartPolicy ${restartPolicy}` };
}
