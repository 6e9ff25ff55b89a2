import { setTimeout as delay } from 'node:timers/promises';
import type { Watch } from '@kubernetes/client-node';
import { OperatorError } from '../lib/errors.ts';
import { asObject } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Credentials } from './credentials.ts';
import { isExpired, isTimeout, isUnauthorized, kubeError } from './errors.ts';
import { createWatchBackoff } from './watch-backoff.ts';

export type OnWatchEvent = (type: string, object: unknown) => void;

/** The calls that `keepWatching` repeats. `list` and `watch` reject with an OperatorError that has a `KUBE_…` code. */
export interface WatchSource {
  /**
   * Reads all objects. Resolves with the resourceVersion to watch from, or with `undefined` if the list expired between
   * two pages. A source without `list` starts each watch at the current state.
   */
  list?(): Promise<string | undefined>;
  /** Reports each change since `from`. Resolves with `expired` when the next step must be a list, not a watch. */
  watch(from: string | undefined, onEvent: OnWatchEvent, signal: AbortSignal): Promise<'ended' | 'expired'>;
  /** Called for each event of the watch, bookmarks included. */
  onEvent: OnWatchEvent;
}

export interface WatchOptions {
  /** The log message for a failure. */
  readonly warning: string;
  /** The name of the watched object, for the log; absent for a watch of many objects. */
  readonly name?: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * A watch that ends within this time, one second, without an event counts as failed. So a proxy that closes each watch
 * at once causes no busy loop.
 */
const SHORTEST_WATCH_MS = 1_000;
/**
 * Of so many failures in a row, the first one makes the source be listed again: while the API server was unavailable,
 * etcd can have been restored to an older copy. A watch from a version of the lost history is accepted and silent.
 */
const FAILURES_PER_LIST = 5;

/**
 * Lists and watches until the signal is aborted. When a watch ends, the next watch starts at the last resourceVersion
 * that the ended watch reported. If this resourceVersion has expired, the objects are listed again. Retries failures
 * with exponential backoff, and logs the first failure of a series with the same error code.
 */
export async function keepWatching(source: WatchSource, { warning, name, log, signal }: WatchOptions): Promise<void> {
  const backoff = createWatchBackoff();
  let from: string | undefined;
  while (!signal.aborted) {
    const { outcome, next, error } = await listOrWatch(source, from, signal);
    if (signal.aborted) return;
    from = next;
    // A successful list does not reset the backoff, because the watches can still fail.
    if (outcome === 'watched') backoff.reset();
    if (outcome !== 'failed') continue;
    const { failures, pauseMs, logFields } = backoff.onFailure(error);
    if (failures % FAILURES_PER_LIST === 1) from = undefined;
    if (logFields) log.warn(warning, { ...(name !== undefined && { name }), ...logFields });
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

interface WatchStep {
  readonly outcome: 'listed' | 'watched' | 'failed';
  /** The resourceVersion to watch from. If absent, list first. */
  readonly next: string | undefined;
  readonly error?: OperatorError;
}

async function listOrWatch(source: WatchSource, from: string | undefined, signal: AbortSignal): Promise<WatchStep> {
  const startMs = performance.now();
  let next = from;
  const onEvent: OnWatchEvent = (type, object) => {
    next = versionOf(object) ?? next;
    source.onEvent(type, object);
  };
  try {
    if (from === undefined && source.list) {
      next = await source.list();
      return { outcome: next === undefined ? 'failed' : 'listed', next };
    }
    const result = await source.watch(from, onEvent, signal);
    const isWatched = next !== from || performance.now() - startMs >= SHORTEST_WATCH_MS;
    return { outcome: isWatched ? 'watched' : 'failed', next: result === 'expired' ? undefined : next };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { outcome: 'failed', next, error };
  }
}

function versionOf(object: unknown): string | undefined {
  const { resourceVersion } = asObject(asObject(object).metadata);
  return typeof resourceVersion === 'string' ? resourceVersion : undefined;
}

/**
 * Calls `onChange` whenever the object may have changed, until the signal is aborted: for each event, and each time a watch
 * has started at the current state, because the object may have changed before. A watch that continues an ended watch
 * reports the changes between the two.
 */
export type WatchObject = (onChange: () => void, signal: AbortSignal) => Promise<void>;

export interface WatchCalls {
  readonly followJson: FollowWatch;
  readonly log: Log;
}

/** Watches the object `name` of the collection `path`. */
export const watchObject =
  ({ followJson, log }: WatchCalls, path: string, name: string): WatchObject =>
  (onChange, signal) => {
    const fieldSelector = `metadata.name=${name}`;
    const source: WatchSource = {
      async watch(resourceVersion, onEvent, signal) {
        let isSilent = true;
        const onAnyEvent: OnWatchEvent = (...event) => {
          isSilent = false;
          onEvent(...event);
        };
        const from = resourceVersion === undefined ? { onOpen: onChange } : { onOpen() {} };
        const query = { fieldSelector, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
        const end = await followJson({ path, query, what: name, ...from, onEvent: onAnyEvent }, signal);
        // After a restore of etcd, a watch from a version of the lost history sends nothing, not even a bookmark
        // (docs/adr/0023). So the watch after a silent one starts at the current state.
        return isSilent ? 'expired' : end;
      },
      onEvent(type) {
        if (type !== 'BOOKMARK') onChange();
      },
    };
    return keepWatching(source, {
      warning: 'watch failed, reconciling periodically until it recovers',
      name,
      log,
      signal,
    });
  };

export interface WatchRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The name of the objects in error messages. */
  readonly what: string;
  /** See `kubeError`. */
  readonly forbiddenStep?: string;
  /** Called once the API server has accepted the watch: from then on it reports every change. */
  readonly onOpen?: () => void;
  readonly onEvent: OnWatchEvent;
}

/**
 * Seconds until the API server ends a watch. Less than the 30 s after which the client gives up a watch without events, so
 * that the next watch continues on the same connection and from the bookmark that the API server sends at the end.
 */
const WATCH_S = '28';

/**
 * Follows one watch. Resolves when the watch has ended. Resolves at once when the signal is aborted, without waiting
 * for the client, because the client cannot abort a connection that is still being opened. If the API server sends
 * nothing for 30 s, the client ends the watch, so that a dead connection is noticed.
 */
export type FollowWatch = (request: WatchRequest, signal: AbortSignal) => Promise<'ended' | 'expired'>;

export function createFollowWatch(client: Pick<Watch, 'watch'>, renew: Credentials['renew']): FollowWatch {
  return async ({ path, query, what, forbiddenStep, onOpen, onEvent }, signal) => {
    const startMs = performance.now();
    const wholeQuery = { ...query, allowWatchBookmarks: 'true', timeoutSeconds: WATCH_S };
    const { promise: ended, resolve } = Promise.withResolvers<unknown>();
    let isEnded = false;
    const end = (error: unknown) => {
      isEnded = true;
      resolve(error);
    };
    const onWatchEvent: OnWatchEvent = (type, object) =>
      type === 'ERROR' ? end(statusError(object)) : onEvent(type, object);
    const opened = client.watch(path, wholeQuery, onWatchEvent, end);
    const open = () => {
      // `client.watch` also resolves if the API server has refused the watch. `isEnded` is then true.
      if (!isEnded && !signal.aborted) onOpen?.();
    };
    opened.then(open).catch(end);
    const error = await untilAborted(ended, signal);
    opened.then((controller) => controller.abort()).catch(() => {});
    if (signal.aborted || isOrdinary(error)) return 'ended';
    if (isExpired(error)) return 'expired';
    if (isUnauthorized(error)) renew(startMs);
    throw kubeError(`watch ${what}`, error, forbiddenStep);
  };
}

/** After a watch has started, the API server reports errors as ERROR events. */
const statusError = (status: unknown): Error =>
  Object.assign(new Error('the watch has ended'), { code: asObject(status).code, body: status });

/** Returns whether a watch ended normally: the server closed it, or the client's idle timeout ended it. */
const isOrdinary = (error: unknown): boolean => error === null || error === undefined || isTimeout(error);
