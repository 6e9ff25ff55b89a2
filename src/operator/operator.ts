import { dirname } from 'node:path';
import { createBackstop } from '../backstop/backstop.ts';
import type { JobStore } from '../backstop/job-store.ts';
import type { Config } from '../cli/config.ts';
import { WEBHOOK_PATH } from '../cli/config.ts';
import type { WatchObject } from '../kube/watch.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Pem } from '../lib/pem.ts';
import { withRetries } from '../lib/retry.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { WatchedFile } from '../lib/watched-file.ts';
import type { Policy } from '../policy/policy.ts';
import type { LeaseStore } from '../stores/lease-store.ts';
import { cachedLabels, type NamespaceLabels } from '../stores/namespace-store.ts';
import { createEvents, type EventStore } from '../telemetry/events.ts';
import { createApp } from '../webhook/app.ts';
import { logRefused, type Refused } from '../webhook/refused-connections.ts';
import { type EndpointServer, openServer } from '../webhook/server.ts';
import { type Health, liveness, readiness } from './health.ts';
import { duringLease, holdLease, stillHolds } from './lease.ts';
import type { DaemonPhase } from './observe.ts';
import { type ProbeServer, startProbes } from './probe-server.ts';
import { createReconciler, type Reconciler, type ReconcilerDependencies } from './reconciler.ts';
import { createReport, type Report } from './report.ts';
import { nextResyncMs } from './resync.ts';
import { createTriggers, type Trigger, type Triggers, watchFolder } from './triggers.ts';

export interface Dependencies extends Omit<ReconcilerDependencies, 'events' | 'policies' | 'isLeaseHolder'> {
  readonly events: EventStore;
  readonly policies: WatchedFile<Policy>;
  readonly clientCa: WatchedFile<Pem | undefined>;
  readonly namespaceLabels: NamespaceLabels;
  readonly backstop: {
    readonly jobs: JobStore;
    readonly lease: LeaseStore;
    /** `host/start` of this process. */
    readonly replica: string;
  };
  readonly watchSecret: WatchObject;
  readonly watchRegistration: WatchObject;
}

/** What the parts of the operator share. */
interface Operator {
  readonly config: Config;
  readonly dependencies: Dependencies;
  readonly report: Report;
  readonly reconciler: Reconciler;
  readonly refused: Refused;
  readonly signal: AbortSignal;
  /** Where this replica is. The loop and the Lease write it; the probes read it. */
  readonly state: { phase: DaemonPhase; isLeaseHolder: boolean; beatAt?: Date };
}

/**
 * Runs the daemon until the signal is aborted; then drains and resolves.
 *
 * @throws OperatorError what keeps it from starting and does not pass by itself.
 */
export async function runOperator(config: Config, dependencies: Dependencies, signal: AbortSignal): Promise<void> {
  const operator = createOperator(config, dependencies, signal);
  const probes = await openProbes(operator);
  try {
    // 1. Listen: a port that is taken must not cost a certificate at every restart.
    const server = await openEndpoint(operator);
    await serve(operator, server, probes);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await probes.close();
  }
}

function createOperator(config: Config, dependencies: Dependencies, signal: AbortSignal): Operator {
  const { log, metrics, now } = dependencies;
  const events = createEvents(dependencies.events, log, now);
  const { lease, replica: identity } = dependencies.backstop;
  const state: Operator['state'] = { phase: 'starting', isLeaseHolder: false };
  const isLeaseHolder = async () => state.isLeaseHolder && (await stillHolds(lease, { identity, signal }));
  return {
    config,
    dependencies,
    report: createReport({ log, metrics, events }),
    reconciler: createReconciler(config, { ...dependencies, events, isLeaseHolder }),
    refused: refusedIn(dependencies),
    signal,
    state,
  };
}

/** Serves until the signal is aborted, and closes the server. */
async function serve(operator: Operator, server: EndpointServer, probes: ProbeServer): Promise<void> {
  const { config, dependencies, reconciler, signal, state } = operator;
  const { log } = dependencies;
  const ended = new AbortController();
  const stopped = AbortSignal.any([signal, ended.signal]);
  const triggers = createTriggers(stopped);
  const files = createFiles(operator, server);
  const start = () => {
    // Starting may have been tried for long, and nothing watches the files yet.
    files.reload();
    return reconciler.pass(state.phase, server.present);
  };
  let lease: HeldLease | undefined;
  try {
    // 2. First pass: certificates from the Secret, or issued and stored there first; present them; publish their trust.
    await withRetries(start, { log, signal });

    // 3. Lease: its holder publishes the webhook's spec, and caps the Jobs that were stored while no endpoint was up.
    lease = startLease(operator, triggers, stopped);
    await untilAborted(lease.checked, signal);
    signal.throwIfAborted();
    if (state.isLeaseHolder) await withRetries(start, { log, signal });
    state.phase = 'running';
    log.info('ready', { port: server.port, probesPort: probes.port, sinceStartMs: Math.round(performance.now()) });

    // 4. Watch: each watch begins with what has changed since it was read.
    watchEverything(operator, { triggers, files }, stopped);

    // 5. Renew, rotate and repair: the same pass at every trigger.
    await keepReconciling(operator, { triggers, files, server });
  } finally {
    ended.abort();
    log.info('draining', { drainMs: config.endpoint.drainMs });
    await Promise.all([server.close(), lease?.ended]);
  }
}

function openProbes({ config, dependencies, reconciler, refused, signal, state }: Operator): Promise<ProbeServer> {
  const { metrics, now } = dependencies;
  const health = (): Health => {
    const { presented, liveBundle, readAt } = reconciler.memory();
    const { beatAt } = state;
    return { phase: signal.aborted ? 'draining' : state.phase, presented, liveBundle, readAt, beatAt };
  };
  const ready = () => readiness(health(), config.certificates.names, now());
  return startProbes({ ready, live: () => liveness(health(), now()), metrics, refused }, config.probes);
}

function openEndpoint({ config, dependencies, refused, report }: Operator): Promise<EndpointServer> {
  const { log, metrics, policies, clientCa } = dependencies;
  const app = createApp({
    path: WEBHOOK_PATH,
    policy: policies.current,
    log,
    observe: metrics.admissionAnswered,
  });
  report.policyLoaded(policies.current(), true);
  return openServer(app, config.endpoint, { clientCa: clientCa.current(), refused });
}

function refusedIn({ log, metrics }: Dependencies): Refused {
  const logIt = logRefused(log);
  return (reason, error) => {
    metrics.connectionRefused(reason);
    logIt(reason, error);
  };
}

/** The files of options that are read again while the daemon runs. */
interface Files {
  /** Reads the policy again. Answers whether another policy is in force now. */
  reloadPolicy(): boolean;
  reloadClientCa(): void;
  /** Both: not every file system reports a change. */
  reload(): void;
}

function createFiles({ dependencies: { policies, clientCa }, report }: Operator, server: EndpointServer): Files {
  const reloadPolicy = () => {
    const read = policies.reload();
    if (read === 'unchanged') return false;
    if ('value' in read) report.policyLoaded(read.value);
    else report.policyRefused(read.problems);
    return 'value' in read;
  };
  const reloadClientCa = () => {
    const read = clientCa.reload();
    if (read === 'unchanged') return;
    if ('problems' in read) {
      report.clientCaRefused(read.problems.join('; '));
    } else {
      server.trustClients(read.value);
      report.clientCaLoaded();
    }
  };
  const reload = () => {
    reloadPolicy();
    reloadClientCa();
  };
  return { reloadPolicy, reloadClientCa, reload };
}

interface HeldLease {
  /** Resolves once it is known for the first time whether this replica holds the Lease. */
  readonly checked: Promise<void>;
  /** Resolves once the Lease is released. */
  readonly ended: Promise<void>;
}

/** Runs the backstop while this replica holds the Lease. */
function startLease(operator: Operator, triggers: Triggers, signal: AbortSignal): HeldLease {
  const { config, dependencies, state } = operator;
  const { log, now, uptimeMs, policies } = dependencies;
  const { jobs, lease, replica } = dependencies.backstop;
  const namespaceLabels = cachedLabels(dependencies.namespaceLabels, uptimeMs);
  const { current: policy, onChange: onPolicyChange } = policies;
  const backstop = { ...dependencies, jobs, namespaceLabels, policy, onPolicyChange, heal: config.heal };
  const checked = Promise.withResolvers<void>();
  const runBackstop = duringLease(createBackstop(backstop, signal), signal);
  const onChange = (isHolder: boolean) => {
    state.isLeaseHolder = isHolder;
    checked.resolve();
    triggers.wake('lease-changed');
    return runBackstop(isHolder);
  };
  return { checked: checked.promise, ended: holdLease(lease, { identity: replica, now, log, signal, onChange }) };
}

interface Watched {
  readonly triggers: Triggers;
  readonly files: Files;
}

function watchEverything({ config, dependencies }: Operator, { triggers, files }: Watched, signal: AbortSignal): void {
  const { certificateDirectory, policyFile, clientCaFile } = config;
  void dependencies.watchRegistration(() => triggers.wake('registration-changed'), signal);
  if (certificateDirectory === undefined) void dependencies.watchSecret(() => triggers.wake('secret-changed'), signal);
  else watchFolder(certificateDirectory, () => triggers.wake('files-changed'), signal);
  // The endpoint applies a new policy at once. The registration follows with the pass, so that no Job is sent to an
  // endpoint that does not know the rule yet.
  const policyChanged = () => files.reloadPolicy() && triggers.wake('policy-changed');
  if (policyFile !== undefined) watchFolder(dirname(policyFile), policyChanged, signal);
  if (clientCaFile !== undefined) watchFolder(dirname(clientCaFile), files.reloadClientCa, signal);
}

interface Loop extends Watched {
  readonly server: EndpointServer;
}

/** Until the triggers end. If a pass fails, the endpoint continues with what it holds. */
async function keepReconciling(operator: Operator, loop: Loop): Promise<void> {
  const { config, dependencies, state } = operator;
  const { now } = dependencies;
  const isFromFiles = config.certificateDirectory !== undefined;
  let failures = 0;
  loop.triggers.wake('resync');
  for await (const reasons of loop.triggers) {
    state.beatAt = now();
    const { isFailed, until } = await reconcileOnce(operator, loop, reasons);
    failures = isFailed ? failures + 1 : 0;
    loop.triggers.resyncIn(nextResyncMs({ until, now: now(), failures, isFromFiles }));
  }
}

async function reconcileOnce(
  { dependencies, reconciler, report, signal, state }: Operator,
  { files, server }: Loop,
  reasons: readonly Trigger[],
): Promise<{ readonly isFailed: boolean; readonly until?: Date | undefined }> {
  const { log, metrics } = dependencies;
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  files.reload();
  try {
    const until = await reconciler.pass(state.phase, server.present);
    metrics.reconciled('success', seconds());
    log.debug('reconciled', { reasons });
    return { isFailed: false, until };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    // The calls that were under way have been ended on purpose.
    if (signal.aborted) return { isFailed: true };
    metrics.reconciled('failure', seconds());
    report.failed(error, { reasons });
    return { isFailed: true };
  }
}
