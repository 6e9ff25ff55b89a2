import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import type { AdmissionRequest, Span } from '../support/chaos/admission-outcomes.ts';
import { type AdmissionStream, startAdmissionStream } from '../support/chaos/admission-stream.ts';
import { type LifecycleRow, lifecycleRow } from '../support/chaos/lifecycle-table.ts';
import { type Moment, startTimeline, type Timeline } from '../support/chaos/timeline.ts';
import { type Cluster, NAMESPACE, OWN, SECRET, SERVER_NAME } from '../support/cluster/cluster.ts';
import { type Replica, startReplica } from '../support/cluster/replica.ts';
import { type Service, startService } from '../support/cluster/service.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';
import { eventually } from '../support/eventually.ts';

/** Where the Jobs of the stream are created. */
export const STREAM_NAMESPACE = 'stream';

/**
 * A short settle time, so that a rotation takes seconds. It suffices because the tests have one API server, which sees
 * a new bundle at once.
 */
export const SETTLE_MS = 3_000;

/** Number of Jobs in a row that must be capped before the fault and after the recovery. */
const STEADY_REQUESTS = 40;
/** After this time `steady` tolerates no uncapped Job. The time counts from the call of `steady`. */
const STEADY_WITHIN_MS = 5_000;
/** Time limit for STEADY_REQUESTS capped Jobs in a row on a busy machine. */
const ANSWERED_MS = 60_000;

/** The replicas of a scenario behind a Service, and the recorded states of their objects. */
export interface Stage {
  readonly cluster: Cluster;
  readonly service: Service;
  readonly timeline: Timeline;
  readonly replicas: readonly Replica[];
  /** Starts another replica. Resolves when it is ready and its first reconcile has finished. */
  add(options?: { readonly kubeconfig?: string }): Promise<Replica>;
  /**
   * Ends a replica and removes it from the Service. SIGTERM is sent after the removal, as for a deleted Pod. With
   * another signal the replica is removed after the process has ended.
   */
  end(replica: Replica, signal?: NodeJS.Signals): Promise<void>;
  /** Resolves when no rotation is in progress and each replica presents the stored certificate, see `assertAtRest`. */
  rest(): Promise<void>;
}

export interface StageOptions {
  readonly replicas: number;
  readonly flags?: readonly string[];
}

export async function startStage(cluster: Cluster, t: TestContext, options: StageOptions): Promise<Stage> {
  await cluster.forgetDaemon();
  const [service, timeline] = await Promise.all([startService(), startTimeline(cluster)]);
  const replicas: Replica[] = [];
  const flags = [
    `--settle-time=${SETTLE_MS}ms`,
    '--drain-time=1s',
    `--backstop-namespaces=${STREAM_NAMESPACE}`,
    ...(options.flags ?? []),
  ];
  const stage: Stage = {
    cluster,
    service,
    timeline,
    replicas,
    async add({ kubeconfig = cluster.daemonKubeconfig } = {}) {
      const replica = await startReplica(service, { kubeconfig, flags });
      replicas.push(replica);
      await replica.line('ready');
      // The replica logs `reconciled` after it has renewed its certificate at the start. The next write then belongs to
      // the scenario.
      await replica.line('reconciled');
      return replica;
    },
    async end(replica, signal = 'SIGTERM') {
      replicas.splice(replicas.indexOf(replica), 1);
      if (signal === 'SIGTERM') service.remove(replica);
      await replica.stop(signal);
      service.remove(replica);
    },
    rest: () => eventually(() => assertAtRest(stage)),
  };
  t.after(async () => {
    await Promise.all(replicas.map((replica) => replica.stop('SIGKILL')));
    await service.close();
    timeline.stop();
  });
  await Promise.all(Array.from({ length: options.replicas }, () => stage.add()));
  if (options.replicas > 0) await stage.rest();
  return stage;
}

/**
 * Asserts that there is one CA and no rotation in progress, and that every replica is ready and presents the stored
 * certificate, which the live bundle verifies.
 */
export async function assertAtRest({
  cluster,
  service,
  replicas,
}: Pick<Stage, 'cluster' | 'service' | 'replicas'>): Promise<void> {
  const [secret, registration] = await Promise.all([cluster.secret(), cluster.registration()]);
  assert.equal(secret?.metadata?.annotations?.['terraform.job.kb.io/phase'], 'stable');
  const caBundle = registration?.webhooks?.find(({ name }) => name === OWN)?.clientConfig.caBundle ?? '';
  assert.equal(caBundle, secret?.data?.['ca.crt']);
  const ca = Buffer.from(caBundle, 'base64').toString();
  assert.equal(ca.match(/BEGIN CERTIFICATE/g)?.length, 1);
  assert.equal(service.ready().length, replicas.length);
  const stored = Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64').toString();
  for (const { port } of replicas) {
    const { raw } = await presentedCertificate(port, { ca, servername: SERVER_NAME });
    assert.ok(stored.replaceAll('\n', '').includes(raw.toString('base64')), 'the stored certificate is presented');
  }
}

export interface Act {
  readonly scenario: string;
  /** The action on the daemon during the stream. It calls `killed` for each process that it kills. */
  readonly act: (killed: (kill: Span) => void) => Promise<unknown>;
  /**
   * Returns whether a recorded state shows that the daemon has repaired the damage by `act`. Absent if `act` damages no
   * object.
   */
  readonly isHealed?: (moment: Moment) => boolean;
}

/** Runs one scenario under the stream of Jobs. Returns its row of the lifecycle table. */
export async function play(stage: Stage, t: TestContext, one: Act): Promise<LifecycleRow> {
  const since = new Date();
  const stream = await startAdmissionStream(stage.cluster, { namespace: STREAM_NAMESPACE });
  try {
    return await underStream(stage, stream, one);
  } finally {
    // An error here must not hide the failure of the test.
    await stream.stop().catch((error: unknown) => t.diagnostic(`the stream: ${error}`));
    await tellFailures(stage, t, { requests: stream.requests(), since }).catch((error: unknown) =>
      t.diagnostic(`${error}`),
    );
  }
}

async function underStream(
  stage: Stage,
  stream: AdmissionStream,
  { scenario, act, isHealed }: Act,
): Promise<LifecycleRow> {
  await steady(stream);
  const kills: Span[] = [];
  const since = new Date();
  const known = stage.timeline.moments().length;
  await act((kill) => kills.push(kill));
  const healed = isHealed && (await stage.timeline.answer(isHealed, known));
  await stage.rest();
  await steady(stream);
  const { requests } = await stream.stop();
  const row = lifecycleRow({ scenario, requests, since, kills });
  return { ...row, healedMs: healed ? healed.seen.at.getTime() - healed.done.at.getTime() : row.healedMs };
}

interface Told {
  readonly requests: readonly AdmissionRequest[];
  readonly since: Date;
}

/** Prints the failed requests of the stream together with the webhook errors in the log of the API server. */
async function tellFailures({ cluster }: Stage, t: TestContext, { requests, since }: Told): Promise<void> {
  const failures = requests
    .filter(({ outcome }) => outcome !== 'mutated')
    .map(({ sentAt, answeredAt, outcome, detail }) => ({
      at: answeredAt,
      text: `${outcome}, sent ${answeredAt.getTime() - sentAt.getTime()} ms before: ${detail}`,
    }));
  const reasons = (await cluster.failedOpen())
    .filter(({ at }) => at >= since)
    .map(({ at, reason }) => ({ at, text: `the API server: ${reason}` }));
  for (const { at, text } of [...failures, ...reasons].sort((one, other) => one.at.getTime() - other.at.getTime())) {
    t.diagnostic(`${at.toISOString()} ${text}`);
  }
}

/** Waits until the last STEADY_REQUESTS Jobs in a row, all sent after the call, were capped. */
async function steady(stream: AdmissionStream): Promise<void> {
  const since = new Date();
  const assertSteady = () => {
    const sent = stream.requests().filter(({ sentAt }) => sentAt >= since);
    assert.ok(sent.length >= STEADY_REQUESTS && sent.slice(-STEADY_REQUESTS).every(isCapped), 'Jobs are not capped');
  };
  await eventually(assertSteady, { withinMs: ANSWERED_MS });
  const late = stream
    .requests()
    .find((request) => request.sentAt.getTime() > since.getTime() + STEADY_WITHIN_MS && !isCapped(request));
  assert.equal(late, undefined, `not capped ${STEADY_WITHIN_MS} ms later`);
}

const isCapped = ({ outcome }: { readonly outcome: string }): boolean => outcome === 'mutated';

/** Requests a rotation with the annotation, as `kubectl annotate` does. */
export async function ask({ cluster }: Stage, part: 'serving' | 'ca'): Promise<void> {
  const body = { metadata: { annotations: { 'terraform.job.kb.io/rotate': part } } };
  const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  await cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body }, options);
}
