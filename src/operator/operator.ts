import { dirname } from 'node:path';
import { type BackstopDependencies, createBackstop } from '../backstop/backstop.ts';
import { type LeaseStore, takeTurns } from '../backstop/lease.ts';
import type { Config } from '../cli/config.ts';
import { WEBHOOK_PATH } from '../cli/config.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { withRetries } from '../lib/retry.ts';
import type { Policies } from '../policy/file.ts';
import { cachedLabels, type NamespaceLabels } from '../stores/namespace-store.ts';
import type { WatchObject } from '../stores/watches.ts';
import { createEvents, type EventStore } from '../telemetry/events.ts';
import { createApp } from '../webhook/app.ts';
import type { ClientCa } from '../webhook/client-ca.ts';
import { logRefused, type Refused } from '../webhook/refused-connections.ts';
import { type EndpointServer, openServer } from '../webhook/server.ts';
import { liveness, readiness, type Status } from './health.ts';
import { startProbes } from './probe-server.ts';
import { createReconciler, type Reconciler, type ReconcilerDependencies } from './reconciler.ts';
import { createReport, type Report } from './report.ts';
import { nextLookMs } from './resync.ts';
import { createWakeUps, type WakeUp, type WakeUps, watchFolder } from './triggers.ts';

export interface Dependencies extends Omit<ReconcilerDependencies, 'report'> {
  readonly log: Log;
  readonly events: EventStore;
  readonly policies: Policies;
  readonly clientCa: ClientCa;
  readonly namespaceLabels: NamespaceLabels;
  readonly backstop: Pick<BackstopDependencies, 'jobs'> & {
    readonly lease: LeaseStore;
    /** `host/start` of this process. */
    readonly replica: string;
  };
  readonly watchSecret: WatchObject;
  readonly watchRegistration: WatchObject;
}

/**
 * Runs the daemon until the signal is aborted; then drains and resolves.
 *
 * @throws OperatorError what keeps it from starting and does not pass by itself.
 */
export async function runOperator(config: Config, dependencies: Dependencies, signal: AbortSignal): Promise<void> {
  const { log, metrics, now } = dependencies;
  const status: Status = { phase: 'starting' };
  const ended = new AbortController();
  const retrying = { log, signal };
  signal.addEventListener('abort', () => (status.phase = 'draining'));
  const report = createReport({ log, metrics, events: createEvents(dependencies.events, log, now) });
  const reconciler = createReconciler(config, { ...dependencies, report }, status);
  const refused = refusedIn(log, metrics);
  const ready = () => readiness(status, config.certificates.names, now());
  const probes = await startProbes({ ready, live: () => liveness(status, now()), metrics, refused }, config.probes);
  try {
    // 1. Listen: a port that is taken must not cost a certificate at every restart.
    const app = createApp({
      path: WEBHOOK_PATH,
      policy: dependencies.policies.current,
      log,
      observe: metrics.admissionAnswered,
    });
    report.policyLoaded(dependencies.policies.current(), true);
    const clientCa = dependencies.clientCa.current();
    const server = await openServer(app, config.endpoint, { clientCa, refused });
    let backstop: Promise<void> | undefined;
    try {
      // 2. Certificates: take them from the Secret, or issue them and store them there first.
      const { serving } = await withRetries(reconciler.certify, retrying);

      // 3. Present: the endpoint answers before any API server is told to call it.
      server.present(serving);
      status.presented = serving.certificate;

      // 4. Registration: publish the CA bundle and read it back, then accept traffic.
      const reloadPolicy = () => reloadInto(report, dependencies.policies);
      const reloadClientCa = () => reloadCallers(report, dependencies.clientCa, server);
      const register = () => {
        // It may have been tried for long, and nothing watches the files yet.
        reloadPolicy();
        reloadClientCa();
        return reconciler.reconcile(server.present);
      };
      await withRetries(register, retrying);
      status.phase = 'running';
      log.info('ready', { port: server.port, probesPort: probes.port, sinceStartMs: Math.round(performance.now()) });

      // 5. Watch: what has changed since it was read is what each watch begins with.
      const stopped = AbortSignal.any([signal, ended.signal]);
      const wakeUps = watchEverything(config, { ...dependencies, reloadPolicy, reloadClientCa }, stopped);

      // 6. Backstop: what was stored while no endpoint was up, and what has failed.
      const { current, onChange } = dependencies.policies;
      const options = { policy: current, onPolicyChange: onChange, heal: config.heal };
      const { jobs, lease, replica } = dependencies.backstop;
      const namespaceLabels = cachedLabels(dependencies.namespaceLabels, () => performance.now());
      const { run } = createBackstop({ jobs, namespaceLabels, log, metrics, now }, options, stopped);
      backstop = takeTurns(lease, run, { identity: replica, now, log, signal: stopped });

      // 7. Renew, rotate and repair: the same steps on every wake-up.
      await keepReconciling({
        config,
        dependencies,
        reconciler,
        report,
        reloadPolicy,
        reloadClientCa,
        server,
        status,
        wakeUps,
        signal,
      });
    } finally {
      ended.abort();
      log.info('draining', { drainMs: config.endpoint.drainMs });
      await Promise.all([server.close(), backstop]);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await probes.close();
  }
}

/** Whether another policy is in force now. */
function reloadInto(report: Report, policies: Policies): boolean {
  const read = policies.reload();
  if (read === 'unchanged') return false;
  if ('policy' in read) report.policyLoaded(read.policy);
  else report.policyRefused(read.problems);
  return 'policy' in read;
}

function reloadCallers(report: Report, clientCa: ClientCa, server: EndpointServer): void {
  const read = clientCa.reload();
  if (read === 'unchanged') return;
  if ('problem' in read) {
    report.clientCaRefused(read.problem);
  } else {
    server.trustClients(read.bundle);
    report.clientCaLoaded();
  }
}

function refusedIn(log: Log, metrics: Dependencies['metrics']): Refused {
  const tell = logRefused(log);
  return (reason, error) => {
    metrics.connectionRefused(reason);
    tell(reason, error);
  };
}

function watchEverything(
  { certificateDirectory, policyFile, clientCaFile }: Config,
  {
    watchSecret,
    watchRegistration,
    reloadPolicy,
    reloadClientCa,
  }: Dependencies & Pick<Running, 'reloadPolicy' | 'reloadClientCa'>,
  signal: AbortSignal,
): WakeUps {
  const wakeUps = createWakeUps(signal);
  void watchRegistration(() => wakeUps.wake('registration-changed'), signal);
  if (certificateDirectory === undefined) void watchSecret(() => wakeUps.wake('secret-changed'), signal);
  else watchFolder(certificateDirectory, () => wakeUps.wake('files-changed'), signal);
  // The endpoint first, at once: it answers by the new policy also where it is still called by the old one. The
  // registration follows with the reconcile, so that no Job is sent to an endpoint that does not know the rule yet.
  const policyChanged = () => reloadPolicy() && wakeUps.wake('policy-changed');
  if (policyFile !== undefined) watchFolder(dirname(policyFile), policyChanged, signal);
  if (clientCaFile !== undefined) watchFolder(dirname(clientCaFile), reloadClientCa, signal);
  return wakeUps;
}

interface Running {
  readonly config: Config;
  readonly dependencies: Dependencies;
  readonly reconciler: Reconciler;
  readonly report: Report;
  readonly reloadPolicy: () => boolean;
  readonly reloadClientCa: () => void;
  readonly server: EndpointServer;
  readonly status: Status;
  readonly wakeUps: WakeUps;
  readonly signal: AbortSignal;
}

/** Until the wake-ups end. Where a pass fails, the endpoint goes on with what it holds. */
async function keepReconciling(running: Running): Promise<void> {
  const { config, dependencies, status, wakeUps } = running;
  const { now } = dependencies;
  const isFromFiles = config.certificateDirectory !== undefined;
  let failures = 0;
  wakeUps.wake('resync');
  for await (const reasons of wakeUps) {
    status.beatAt = now();
    const { isFailed, until } = await reconcileOnce(running, reasons);
    failures = isFailed ? failures + 1 : 0;
    wakeUps.resyncIn(nextLookMs({ until, now: now(), failures, isFromFiles }));
  }
}

async function reconcileOnce(
  { dependencies, reconciler, report, reloadPolicy, reloadClientCa, server, signal }: Running,
  reasons: readonly WakeUp[],
): Promise<{ readonly isFailed: boolean; readonly until: Date | undefined }> {
  const { log, metrics } = dependencies;
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  // Not every file system reports a change.
  reloadPolicy();
  reloadClientCa();
  try {
    const until = await reconciler.reconcile(server.present);
    metrics.reconciled('success', seconds());
    log.debug('reconciled', { reasons });
    return { isFailed: false, until };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    // The calls that were under way have been ended on purpose.
    if (signal.aborted) return { isFailed: true, until: undefined };
    metrics.reconciled('failure', seconds());
    report.failed(error, { reasons });
    return { isFailed: true, until: undefined };
  }
}
