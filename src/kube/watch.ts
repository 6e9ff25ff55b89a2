import { setTimeout as delay } from 'node:timers/promises';
import type { Watch } from '@kubernetes/client-node';
import { createFailures } from '../lib/backoff.ts';
import type { Log } from '../lib/log.ts';
import { kubeError } from './errors.ts';

/** One object to be watched: the path of its collection, and its name. */
export interface Watched {
  readonly path: string;
  readonly name: string;
}

/** Rights do not come back by themselves as an API server does. */
const FORBIDDEN_PAUSE_MS = 60_000;
/** A watch that stood for less than this long has not really stood. */
const STOOD_MS = 1_000;

/**
 * Calls `changed` whenever the object may have changed, until the signal is aborted. A watch that ends is begun again,
 * and `changed` is called once it stands: what happened in between is found by looking.
 *
 * The client ends a watch that was quiet for 30 s, so that one whose connection has died is never trusted for longer.
 */
export async function keepWatching(
  client: Pick<Watch, 'watch'>,
  { path, name }: Watched,
  changed: () => void,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  const query = { fieldSelector: `metadata.name=${name}`, allowWatchBookmarks: 'true' };
  const seen = (type: string) => {
    if (type !== 'BOOKMARK') changed();
  };
  const failures = createFailures(FORBIDDEN_PAUSE_MS);
  while (!signal.aborted) {
    const startMs = performance.now();
    const watch = followWatch(client, { path, query }, { stands: changed, tell: seen }, signal);
    const error = await watch.then(
      () => undefined,
      (error: unknown) => kubeError(`watch ${name}`, error),
    );
    if (signal.aborted) return;
    const hasStood = error === undefined && performance.now() - startMs >= STOOD_MS;
    const { pauseMs, news } = hasStood ? failures.none() : failures.more(error);
    if (news) log.warn('watch failed, looking every minute meanwhile', news);
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** What a watch tells of. */
export interface Watcher {
  /** From now on every change is told. */
  readonly stands?: () => void;
  readonly tell: (type: string, object: unknown) => void;
}

/**
 * Tells of what a watch sees. Resolves when it has ended by itself, or at once with the signal: a connection that is
 * still being made then is left to itself, as it cannot be called off. Rejects with what else has ended it.
 */
export async function followWatch(
  client: Pick<Watch, 'watch'>,
  { path, query }: { readonly path: string; readonly query: Readonly<Record<string, string>> },
  { stands = () => {}, tell }: Watcher,
  signal: AbortSignal,
): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  let controller: AbortController | undefined;
  let hasEnded = false;
  const end = (error?: unknown) => {
    hasEnded = true;
    resolve(error);
  };
  const stop = () => {
    controller?.abort();
    end();
  };
  const begin = async () => {
    controller = await client.watch(path, query, tell, end);
    if (signal.aborted) controller.abort();
    else if (!hasEnded) stands();
  };
  signal.addEventListener('abort', stop);
  begin().catch(end);
  const error = await ended;
  signal.removeEventListener('abort', stop);
  if (!isOrdinary(error) && !signal.aborted) throw error;
}

/** A watch ends when the server closes it, or when the client finds it quiet. */
const isOrdinary = (error: unknown): boolean =>
  error === null || error === undefined || (error instanceof DOMException && error.name === 'TimeoutError');
