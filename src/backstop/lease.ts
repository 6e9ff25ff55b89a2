import { setTimeout as delay } from 'node:timers/promises';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';

/** The Lease as far as it is read here. */
export interface Lease {
  /** Nobody when it was released. */
  readonly holder: string | undefined;
  readonly renewedAt: Date | undefined;
  readonly resourceVersion: string;
}

export interface LeaseStore {
  /** @throws OperatorError the `KUBE_…` codes, as the others. */
  read(): Promise<Lease | undefined>;
  /** Resolves `false` when somebody else was first. */
  create(holder: string, now: Date): Promise<boolean>;
  /** Takes or renews it, or releases it for nobody. Resolves `false` when it has changed meanwhile. */
  write(holder: string | undefined, resourceVersion: string, now: Date): Promise<boolean>;
}

/** A holder that has not renewed for this long is gone. */
export const LEASE_MS = 12_000;
const RENEW_MS = 4_000;
const LOOK_MS = 2_000;
/** Rights do not come back by themselves. */
const WITHOUT_RIGHTS_MS = 3 * 60_000;
/** A process that is asked to stop does not wait for longer than this. */
const RELEASE_MS = 1_500;
/** So often it is looked again at once where somebody else was first. */
const MOST_TRIES = 3;

/** What is known when it is decided whose turn it is. */
export interface Sight {
  readonly lease: Lease | undefined;
  /** `host/start`: a process that was killed comes back under the same host. */
  readonly identity: string;
  readonly isFirstLook: boolean;
  /** For how long this process has seen the Lease as it is, whatever the clocks of others say. */
  readonly unchangedMs: number;
  readonly now: Date;
}

/** Decides whose turn it is: ours still, ours from now on, or somebody else's. */
export function judgeLease({
  lease,
  identity,
  isFirstLook,
  unchangedMs,
  now,
}: Sight): 'create' | 'take' | 'renew' | 'wait' {
  if (lease === undefined) return 'create';
  if (lease.holder === identity) return 'renew';
  const isPredecessor = isFirstLook && lease.holder?.split('/')[0] === identity.split('/')[0];
  const sinceMs = lease.renewedAt ? now.getTime() - lease.renewedAt.getTime() : Number.POSITIVE_INFINITY;
  const isFree = lease.holder === undefined || isPredecessor || sinceMs >= LEASE_MS || unchangedMs >= LEASE_MS;
  return isFree ? 'take' : 'wait';
}

export interface TurnOptions {
  readonly identity: string;
  readonly now: () => Date;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Works while it is this replica's turn. A courtesy, so that replicas do not do the same work twice: where the Lease
 * cannot be had for any other reason than that somebody else has it, the work is done without.
 *
 * Resolves once the signal is aborted, the work has ended, and the Lease is released.
 */
export async function takeTurns(
  store: LeaseStore,
  work: (signal: AbortSignal) => Promise<void>,
  options: TurnOptions,
): Promise<void> {
  const { signal, log } = options;
  const look = createLook(store, options);
  let turn: { readonly end: AbortController; readonly ended: Promise<void> } | undefined;
  let looking: ReturnType<Look> | undefined;
  while (!signal.aborted) {
    looking = look();
    const seen = await untilAborted(looking, signal);
    if (seen === undefined) break;
    looking = undefined;
    if (seen.isOurs && turn === undefined && !signal.aborted) {
      log.info('watching jobs');
      const end = new AbortController();
      turn = { end, ended: work(AbortSignal.any([signal, end.signal])) };
    } else if (!seen.isOurs && turn !== undefined) {
      log.info('another replica watches jobs');
      turn.end.abort();
      await turn.ended;
      turn = undefined;
    }
    await delay(seen.againMs, undefined, { signal }).catch(() => {});
  }
  await turn?.ended;
  if (turn === undefined && looking === undefined) return;
  const released = async () => {
    // It may take the Lease yet.
    await looking;
    await release(store, options);
  };
  await Promise.race([released(), delay(RELEASE_MS, undefined, { ref: false })]);
}

async function release(store: LeaseStore, { identity, now, log }: TurnOptions): Promise<void> {
  try {
    const lease = await store.read();
    if (lease?.holder === identity) await store.write(undefined, lease.resourceVersion, now());
  } catch (error) {
    log.debug('lease not released', errorFields(error));
  }
}

type Look = () => Promise<{ readonly isOurs: boolean; readonly againMs: number }>;

function createLook(store: LeaseStore, { identity, now, log, signal }: TurnOptions): Look {
  let seen: { readonly resourceVersion: string | undefined; readonly atMs: number } | undefined;
  let isFirstLook = true;
  let isOurs = false;
  let failedAtMs: number | undefined;
  let isTold = false;

  async function decide(tries = MOST_TRIES): Promise<boolean> {
    const lease = await store.read();
    const nowMs = performance.now();
    if (seen?.resourceVersion !== lease?.resourceVersion || seen === undefined) {
      seen = { resourceVersion: lease?.resourceVersion, atMs: nowMs };
    }
    const sight = { lease, identity, isFirstLook, unchangedMs: nowMs - seen.atMs, now: now() };
    if (judgeLease(sight) === 'wait') return false;
    const isWritten = lease
      ? await store.write(identity, lease.resourceVersion, now())
      : await store.create(identity, now());
    // Somebody may only have annotated it: that is no reason to end a turn.
    return isWritten || (tries > 1 && decide(tries - 1));
  }
  /** Without the Lease, the work is done all the same: after a while, where it may yet be had. */
  function goOn(error: OperatorError): number {
    failedAtMs ??= performance.now();
    // An API server that has just started refuses everybody.
    const mayPass = error.retryable || error.code === 'KUBE_FORBIDDEN';
    const isPassing = mayPass && performance.now() - failedAtMs < LEASE_MS;
    if (isPassing || signal.aborted) return LOOK_MS;
    if (!isTold) log.warn('watching jobs without a lease', errorFields(error));
    isTold = true;
    isOurs = true;
    return error.retryable ? LOOK_MS : WITHOUT_RIGHTS_MS;
  }
  return async () => {
    try {
      isOurs = await decide();
      isFirstLook = false;
      failedAtMs = undefined;
      isTold = false;
      return { isOurs, againMs: isOurs ? RENEW_MS : LOOK_MS };
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const againMs = goOn(error);
      return { isOurs, againMs };
    }
  };
}
