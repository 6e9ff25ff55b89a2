import { dirname } from 'node:path';
import { createBackstop } from '../backstop/backstop.ts';
import type { ConfigurationStore } from '../backstop/configuration-store.ts';
import type { JobStore } from '../backstop/job-store.ts';
import { type Config, WEBHOOK_PATH } from '../cli/config.ts';
import type { WatchObject } from '../kube/watch.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Pem } from '../lib/pem.ts';
import type { WatchedFile } from '../lib/watched-file.ts';
import type { Policy } from '../policy/policy.ts';
import type { LeaseStore } from '../stores/lease-store.ts';
import { cachedLabels, type NamespaceLabels } from '../stores/namespace-store.ts';
import { createEvents, type PublishEvent } from '../telemetry/events.ts';
import { createApp } from '../webhook/app.ts';
import { logRefused, type Refused } from '../webhook/refused-connections.ts';
import { type EndpointServer, openServer } from '../webhook/server.ts';
import { liveness, nextPhase, readiness } from './health.ts';
import { duringLease, holdLease, leaseTimings, stillHolds } from './lease.ts';
import type { DaemonPhase } from './observe.ts';
import { type ProbeServer, startProbes } from './probe-server.ts';
import { createReconciler, type Reconciler, type ReconcilerDependencies } from './reconciler.ts';
import { createReloads, type Reloads, ruleNames } from './reloads.ts';
import type { Telemetry } from './report.ts';
import { nextResyncMs } from './resync.ts';
import { createTriggers, type Triggers, watchFolder } from './triggers.ts';

export interface Dependencies
  extends Omit<ReconcilerDependencies, 'events' | 'policies' | 'isLeaseHolder' | 'stillHolds'> {
  readonly publishEvent: PublishEvent;
  readonly policies: WatchedFile<Policy>;
  readonly clientCa: WatchedFile<Pem | undefined>;
  readonly namespaceLabels: NamespaceLabels;
  readonly jobs: JobStore;
  readonly configurations: ConfigurationStore;
  readonly lease: LeaseStore;
  /** The identity of this process: its host name, a slash and a random suffix. */
  readonly replica: string;
  readonly watchSecret: WatchObject;
  readonly watchRegistration: WatchObject;
}

/** State and dependencies that the functions of this file share. */
interface Operator {
  readonly config: Config;
  readonly dependencies: Dependencies;
  readonly telemetry: Telemetry;
  readonly reconciler: Reconciler;
  readonly refused: Refused;
  readonly signal: AbortSignal;
  /** The state of this replica. The reconcile loop and the Lease callback write it; the probes read it. */
  readonly state: {
    phase: DaemonPhase;
    isLeaseHolder?: boolean;
    /** Whether the Lease was checked once, or the check timed out. */
    isLeaseChecked?: boolean;
    beatAt?: Date;
    /** The error of the last pass; `undefined` if it succeeded. */
    failure?: OperatorError | undefined;
  };
}

/** The shared state and dependencies after the endpoint has begun to listen. */
interface ListeningOperator extends Operator {
  readonly server: EndpointServer;
  readonly probes: ProbeServer;
  readonly reloads: Reloads;
  readonly triggers: Triggers;
  /** Aborted when `signal` is aborted or `serve` ends. */
  readonly stopped: AbortSignal;
}

/**
 * Runs the daemon until the signal is aborted; then drains and resolves. A pass that fails is tried again for ever, and
 * its cause is reported. The daemon is not ready while it has no valid certificate that the live CA bundle verifies.
 *
 * @throws OperatorError `SERVER_LISTEN_FAILED`
 */
export async function runOperator(config: Config, dependencies: Dependencies, signal: AbortSignal): Promise<void> {
  const operator = createOperator(config, dependencies, signal);
  const probes = await openProbes(operator);
  try {
    // 1. Listen before certificates are issued: if the port is in use, the container restarts again and again, and
    // must not issue a certificate each time.
    const server = await openEndpoint(operator);
    await serve(operator, server, probes);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await probes.close();
  }
}

function createOperator(config: Config, dependencies: Dependencies, signal: AbortSignal): Operator {
  const { log, metrics, now, lease, replica: identity } = dependencies;
  const events = createEvents(dependencies.publishEvent, log, now);
  const state: Operator['state'] = { phase: 'starting' };
  const isHolder = {
    isLeaseHolder: () => state.isLeaseHolder,
    stillHolds: () => stillHolds(lease, { identity, now, signal }),
  };
  const reconciler = createReconciler(config, { ...dependencies, ...isHolder, events });
  const logIt = logRefused(log);
  const refused: Refused = (reason, error) => {
    metrics.connectionRefused(reason);
    logIt(reason, error);
  };
  return { config, dependencies, telemetry: { log, metrics, events }, reconciler, refused, signal, state };
}

/** Reconciles and serves until the signal is aborted, then closes the server and releases the Lease. */
async function serve(operator: Operator, server: EndpointServer, probes: ProbeServer): Promise<void> {
  const { config, dependencies, telemetry, signal } = operator;
  const ended = new AbortController();
  const stopped = AbortSignal.any([signal, ended.signal]);
  const triggers = createTriggers(stopped);
  const reloads = createReloads({ ...dependencies, ...telemetry }, server.trustClients);
  const listening = { ...operator, server, probes, reloads, triggers, stopped };
  // 2. Watch the registration, the Secret and the files.
  watchEverything(listening);

  // 3. Lease: its holder caps Jobs that were stored uncapped, and publishes the webhook spec. The backstop needs no
  // certificate, so it does not wait for one.
  const lease = startLease(listening);
  try {
    // 4. A pass at every trigger. The first ones read or issue the certificates, present them and publish their CA
    // bundle, until the daemon is ready; the others renew, rotate and repair.
    await keepReconciling(listening);
  } finally {
    ended.abort();
    dependencies.log.info('draining', { drainMs: config.endpoint.drainMs });
    await Promise.all([server.close(), lease]);
  }
}

function openProbes({ config, dependencies, reconciler, refused, signal, state }: Operator): Promise<ProbeServer> {
  const { metrics, now } = dependencies;
  const ready = () => {
    const phase = signal.aborted ? 'draining' : state.phase;
    return readiness({ ...reconciler.memory(), ...state, phase }, config.certificates.names, now());
  };
  return startProbes({ ready, live: () => liveness(state, now()), metrics, refused }, config.probes);
}

function openEndpoint({ config, dependencies, refused }: Operator): Promise<EndpointServer> {
  const { log, metrics, policies, clientCa } = dependencies;
  const app = createApp({ path: WEBHOOK_PATH, policy: policies.current, log, observe: metrics.admissionAnswered });
  metrics.policyRead(true);
  log.info('policy loaded', { rules: ruleNames(policies.current()) });
  return openServer(app, config.endpoint, { clientCa: clientCa.current(), refused });
}

/**
 * Runs the backstop while this replica holds the Lease. Resolves after a stop, when the backstop has ended and the
 * Lease was released or could not be released in time.
 */
function startLease({ config, dependencies, state, triggers, stopped }: ListeningOperator): Promise<void> {
  const { log, metrics, now, uptimeMs, policies, lease, replica } = dependencies;
  const namespaceLabels = cachedLabels(dependencies.namespaceLabels, uptimeMs);
  const { current: policy, onChange: onPolicyChange } = policies;
  const backstop = { ...dependencies, namespaceLabels, policy, onPolicyChange, heal: config.heal };
  const runBackstop = duringLease(createBackstop(backstop, stopped), stopped);
  const checked = () => {
    clearTimeout(timeout);
    state.isLeaseChecked = true;
    triggers.wake('lease-changed');
  };
  // Without an answer about the Lease, the daemon becomes ready as a replica that does not hold it.
  const timeout = setTimeout(checked, leaseTimings.firstCheckMs).unref();
  const onChange = (isHolder: boolean) => {
    state.isLeaseHolder = isHolder;
    checked();
    return runBackstop(isHolder);
  };
  return holdLease(lease, { identity: replica, now, log, metrics, signal: stopped, onChange });
}

function watchEverything({ config, dependencies, triggers, reloads, stopped }: ListeningOperator): void {
  const { certificateDirectory, policyFile, clientCaFile } = config;
  void dependencies.watchRegistration(() => triggers.wake('registration-changed'), stopped);
  if (certificateDirectory === undefined) void dependencies.watchSecret(() => triggers.wake('secret-changed'), stopped);
  else watchFolder(certificateDirectory, () => triggers.wake('files-changed'), stopped);
  // The endpoint applies a new policy at once, and the pass then updates the registration. So this replica knows a rule
  // before its registration makes the API servers send Jobs for the rule.
  const policyChanged = () => reloads.reloadPolicy() && triggers.wake('policy-changed');
  if (policyFile !== undefined) watchFolder(dirname(policyFile), policyChanged, stopped);
  if (clientCaFile !== undefined) watchFolder(dirname(clientCaFile), reloads.reloadClientCa, stopped);
}

/** Runs a pass at each trigger until the triggers end. After a failed pass, the endpoint still answers requests. */
async function keepReconciling(operator: ListeningOperator): Promise<void> {
  const { config, dependencies, reconciler, server, reloads, triggers, signal, state } = operator;
  const { now, log, metrics } = dependencies;
  const isFromFiles = config.certificateDirectory !== undefined;
  const { settleMs } = config.certificates;
  let failures = 0;
  triggers.wake('resync');
  for await (const reasons of triggers) {
    state.beatAt = now();
    const start = performance.now();
    const isLeaseChecked = state.isLeaseChecked === true;
    let until: Date | undefined;
    reloads.reloadAll();
    try {
      until = await reconciler.pass(state.phase, server.present);
      metrics.reconciled('success', (performance.now() - start) / 1000);
      log.debug('reconciled', { reasons });
      failures = 0;
      state.failure = undefined;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      // A stop aborts the API calls of this pass, so their errors are expected.
      if (signal.aborted) return;
      metrics.reconciled('failure', (performance.now() - start) / 1000);
      metrics.reconcileFailed(error.code);
      log.error('reconcile failed, will try again', { reasons, ...errorFields(error) });
      operator.telemetry.events.emit({ type: 'Warning', action: 'reconcile', reason: error.code, note: error.message });
      failures += 1;
      state.failure = error;
    }
    enterNextPhase(operator, isLeaseChecked);
    const isStarting = state.phase === 'starting';
    triggers.resyncIn(nextResyncMs({ until, now: now(), failures, isFromFiles, settleMs, isStarting }));
  }
}

/** Enters the next phase if the pass that has just ended has reached it, and triggers the first pass of that phase. */
function enterNextPhase(
  { config, dependencies, reconciler, server, probes, triggers, state }: ListeningOperator,
  isLeaseChecked: boolean,
): void {
  const { log, now } = dependencies;
  const checks = readiness({ ...reconciler.memory(), phase: state.phase }, config.certificates.names, now());
  const next = nextPhase(state.phase, { hasSucceeded: state.failure === undefined, isLeaseChecked, checks });
  if (next === state.phase) return;
  state.phase = next;
  if (next === 'running') {
    log.info('ready', { port: server.port, probesPort: probes.port, sinceStartMs: Math.round(performance.now()) });
  }
  triggers.wake('resync');
}
