import { setTimeout as delay } from 'node:timers/promises';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Lease, LeaseStore } from '../stores/lease-store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { reading } from './observe.ts';

/**
 * The times of the Lease in milliseconds. A replica that cannot read or cannot write the Lease for `validMs` acts as
 * its holder, so that missing RBAC rights do not stop its work.
 */
export const leaseTimings = {
  // Lease duration: a holder that has not renewed the Lease for this time loses it. Two failed renewals are tolerated.
  validMs: 12_000,
  renewMs: 4_000,
  // Interval at which a replica without the Lease checks it, and the pause before a failed check is retried.
  retryMs: 2_000,
  // Timeout of the read of the Lease before the holder publishes the webhook spec.
  readMs: 1_000,
  // Maximum time that a starting daemon waits for its first check of the Lease, before it logs `ready`.
  firstCheckMs: 2_000,
  // The pause before the next check, if this replica acts as the holder because of an error that a retry does not fix.
  // It is short, because an API server that has just started after a restore of etcd answers with 403 at first.
  forbiddenMs: 20_000,
  // Maximum number of tries to write the Lease, if each try meets a conflict.
  tries: 3,
  // How long a stopping process waits for the release of the Lease.
  releaseMs: 1_500,
} as const;

const { validMs, renewMs, retryMs, readMs, forbiddenMs, releaseMs, tries: mostTries } = leaseTimings;

/** The input of `decideLease`. */
export interface LeaseFindings {
  readonly lease: Lease | undefined;
  /**
   * `host/start`: the host name and a random suffix. A restarted container has the same host name and another suffix.
   */
  readonly identity: string;
  readonly isFirstCheck: boolean;
  /** Milliseconds since this process last saw the Lease change, on its own clock. */
  readonly unchangedMs: number;
  readonly now: Date;
}

export type LeaseDecision = 'create' | 'take' | 'renew' | 'wait';

/** Decides whether to create, take or renew the Lease, or to wait for its holder. Pure. */
export function decideLease(findings: LeaseFindings): LeaseDecision {
  const { lease, identity, isFirstCheck, unchangedMs, now } = findings;
  if (lease === undefined) return 'create';
  if (lease.holder === identity) return 'renew';
  const isPredecessor = isFirstCheck && lease.holder?.split('/')[0] === identity.split('/')[0];
  const sinceMs = lease.renewedAt ? now.getTime() - lease.renewedAt.getTime() : Number.POSITIVE_INFINITY;
  const isFree = lease.holder === undefined || isPredecessor || sinceMs >= validMs || unchangedMs >= validMs;
  return isFree ? 'take' : 'wait';
}

export interface LeaseOptions {
  readonly identity: string;
  readonly now: () => Date;
  readonly log: Log;
  readonly signal: AbortSignal;
  /**
   * Called after the first check, and whenever this replica acquires or loses the Lease; the next check and the release
   * wait for it.
   */
  readonly onChange: (isHolder: boolean) => void | Promise<void>;
  readonly metrics: Pick<Metrics, 'etcdRestored'>;
}

/**
 * Acquires the Lease whenever it is free and renews it, until the signal is aborted; then releases it.
 *
 * The Lease only prevents that replicas do the same work twice. So a replica that has failed to read or write the Lease
 * for `validMs`, or fails with an error that no retry can fix, acts as its holder.
 */
export async function holdLease(store: LeaseStore, options: LeaseOptions): Promise<void> {
  const { signal, log, onChange } = options;
  const check = createCheck(store, options);
  let isHolder: boolean | undefined;
  let checking: ReturnType<LeaseCheck> | undefined;
  // During a check this replica may already hold the Lease although `isHolder` is still false.
  let mayHold = false;
  while (!signal.aborted) {
    mayHold = true;
    checking = check();
    const seen = await untilAborted(checking, signal);
    if (seen === undefined) break;
    mayHold = seen.isHolder;
    // This replica holds the Lease again after an interruption, so what it listed before may be outdated.
    if (isHolder && seen.isInterrupted) {
      isHolder = false;
      await onChange(false);
    }
    if (seen.isHolder !== isHolder && !signal.aborted) {
      logChange(log, isHolder, seen.isHolder);
      isHolder = seen.isHolder;
      await onChange(isHolder);
    }
    await delay(seen.againMs, undefined, { signal }).catch(() => {});
  }
  if (isHolder) await onChange(false);
  if (!mayHold) return;
  const released = async () => {
    await checking;
    await release(store, options);
  };
  await Promise.race([released(), delay(releaseMs, undefined, { ref: false })]);
}

/**
 * Returns `false` if another replica has taken the Lease and renews it. Returns `true` also if the Lease cannot be
 * read in time.
 */
export async function stillHolds(
  store: LeaseStore,
  { identity, now, signal }: Pick<LeaseOptions, 'identity' | 'now' | 'signal'>,
): Promise<boolean> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(readMs)]);
  const observation = await reading(untilAborted(store.read(), soon));
  if ('error' in observation) return true;
  const findings = { lease: observation.value, identity, isFirstCheck: false, unchangedMs: 0, now: now() };
  return decideLease(findings) !== 'wait';
}

/** Returns a callback that starts `work` when the Lease is acquired, and aborts and awaits `work` when it is lost. */
export function duringLease(
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): (isHolder: boolean) => Promise<void> {
  let term: { readonly end: AbortController; readonly ended: Promise<void> } | undefined;
  return async (isHolder) => {
    if (isHolder) {
      const end = new AbortController();
      term = { end, ended: work(AbortSignal.any([signal, end.signal])) };
    } else {
      term?.end.abort();
      await term?.ended;
      term = undefined;
    }
  };
}

function logChange(log: Log, wasHolder: boolean | undefined, isHolder: boolean): void {
  if (isHolder) log.info('started watching jobs');
  else if (wasHolder) log.info('stopped watching jobs: lease lost');
}

async function release(store: LeaseStore, { identity, now, log }: LeaseOptions): Promise<void> {
  try {
    const lease = await store.read();
    if (lease?.holder === identity) await store.write(undefined, lease.resourceVersion, now());
  } catch (error) {
    log.debug('lease not released', { lease: store.reference, ...errorFields(error) });
  }
}

type LeaseCheck = () => Promise<{
  readonly isHolder: boolean;
  /** Whether another replica may have held the Lease since the last check, or etcd was restored to an older copy. */
  readonly isInterrupted: boolean;
  readonly againMs: number;
}>;

function createCheck(store: LeaseStore, { identity, now, log, signal, metrics }: LeaseOptions): LeaseCheck {
  let seen: { readonly resourceVersion: string | undefined; readonly atMs: number } | undefined;
  let isFirstCheck = true;
  let isHolder = false;
  let failedAtMs: number | undefined;
  let isLogged = false;
  /**
   * The lowest resourceVersion that the next read can return, because each write increases it. A lower one shows that
   * etcd was restored to an older copy.
   */
  let lowest = 0;
  let isRestored = false;

  /**
   * Reads the Lease, and notices that etcd was restored to an older copy: a read without resourceVersion is answered by
   * etcd itself, not by the watch cache of an API server.
   */
  async function read(): Promise<Lease | undefined> {
    const lease = await store.read();
    if (lease === undefined) return undefined;
    const version = Number(lease.resourceVersion);
    if (version < lowest) {
      log.warn('etcd was restored to an older revision', { from: lowest, to: version });
      metrics.etcdRestored();
      isRestored = true;
    }
    lowest = version;
    return lease;
  }
  /**
   * Creates, takes or renews the Lease. Resolves with `wait` if another replica holds it or each write met a conflict.
   */
  async function acquire(tries: number = mostTries): Promise<LeaseDecision> {
    const lease = await read();
    const nowMs = performance.now();
    if (seen?.resourceVersion !== lease?.resourceVersion || seen === undefined) {
      seen = { resourceVersion: lease?.resourceVersion, atMs: nowMs };
    }
    const decision = decideLease({ lease, identity, isFirstCheck, unchangedMs: nowMs - seen.atMs, now: now() });
    if (decision === 'wait') return decision;
    const isWritten = lease
      ? await store.write(identity, lease.resourceVersion, now())
      : await store.create(identity, now());
    // The conflict may come from a harmless edit, such as a new annotation, so the Lease is read again.
    if (!isWritten) return tries > 1 ? acquire(tries - 1) : 'wait';
    lowest += 1;
    return decision;
  }
  /**
   * Handles a failed check of the Lease. If the checks have failed for `validMs`, or if the error cannot pass by
   * itself, this replica acts as the holder of the Lease. Returns the milliseconds until the next check.
   */
  function withoutLease(error: OperatorError): number {
    failedAtMs ??= performance.now();
    // An API server that has just started answers every request with 403 until it has loaded its RBAC rules.
    const mayPass = error.retryable || error.code === 'KUBE_FORBIDDEN';
    const isPassing = mayPass && performance.now() - failedAtMs < validMs;
    if (isPassing || signal.aborted) return retryMs;
    if (!isLogged) {
      log.warn('lease unavailable, watching jobs without it', { lease: store.reference, ...errorFields(error) });
    }
    isLogged = true;
    isHolder = true;
    return error.retryable ? retryMs : forbiddenMs;
  }
  return async () => {
    try {
      const decision = await acquire();
      isHolder = decision !== 'wait';
      isFirstCheck = false;
      failedAtMs = undefined;
      isLogged = false;
      const isInterrupted = isRestored || decision === 'take';
      isRestored = false;
      return { isHolder, isInterrupted, againMs: isHolder ? renewMs : retryMs };
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const againMs = withoutLease(error);
      return { isHolder, isInterrupted: false, againMs };
    }
  };
}
