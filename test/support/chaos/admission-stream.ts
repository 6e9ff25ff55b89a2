import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { recordedJob } from '../builders/recorded-jobs.ts';
import { type ApiCredentials, readApiCredentials } from '../cluster/api-credentials.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { AdmissionOutcome, AdmissionRequest } from './admission-outcomes.ts';

/**
 * How long the client waits for the response to the creation of a Job. The time is longer than the highest
 * `timeoutSeconds` of a webhook (30 s) plus time for the API server.
 */
const ANSWER_MS = 35_000;
/**
 * Shorter than the idle timeout of the API server (90 s), so that no request is sent on a connection that is closing.
 */
const IDLE_MS = 30_000;
/** A request that is later than this is left out. To catch up would make a burst that a slow machine cannot handle. */
const TOLERATED_LAG_MS = 250;

/** Label of the stored Jobs of the stream. */
const LABEL = 'admission-stream';
/** Label with the number of the time slice in which a Job was stored. */
export const PART_LABEL = 'admission-stream-part';
/** Length of a time slice. */
export const PART_MS = 10_000;

export interface StreamOptions {
  /** A namespace that exists. */
  readonly namespace: string;
  readonly perSecond?: number;
  /** Number of clients. Each has its own connections. */
  readonly clients?: number;
  /**
   * One CREATE of this many is stored; the others are dry runs, which pass admission and store nothing. Default: 10.
   */
  readonly realEvery?: number;
  /** Kubeconfigs of the API servers, used in turn. Default: the kubeconfig of the cluster. */
  readonly kubeconfigs?: readonly string[];
}

export interface StreamReport {
  /** Requests in the order of their responses. */
  readonly requests: readonly AdmissionRequest[];
  /** The request rate that was reached. */
  readonly perSecond: number;
  /** Number of requests that were not sent because they were late. */
  readonly leftOut: number;
}

/** A steady stream of CREATE requests for Jobs of terraform-controller, sent as a cluster admin. */
export interface AdmissionStream {
  /** Selects the stored Jobs of this stream. */
  readonly labelSelector: string;
  /** Returns the requests that have a response so far. */
  requests(): readonly AdmissionRequest[];
  /** Stops sending and waits for the responses. The stored Jobs remain. */
  finish(): Promise<StreamReport>;
  /** Stops sending, waits for the responses and deletes the stored Jobs. Safe to call again. */
  stop(): Promise<StreamReport>;
}

/**
 * Starts an open-loop stream: it sends at a constant rate and does not wait for late responses. Requests that cannot be
 * sent in time are left out and reported on stderr at the end.
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

/** Calls `send` at the given rate until the signal is aborted. Returns the rate that was reached. */
async function keepPace(perSecond: number, signal: AbortSignal, send: (nth: number) => void): Promise<Pace> {
  const startedAt = performance.now();
  let leftOut = 0;
  for (let nth = 0; ; nth++) {
    const dueAt = startedAt + (nth * 1000) / perSecond;
    // Yields even if it is late, so that responses are read.
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
