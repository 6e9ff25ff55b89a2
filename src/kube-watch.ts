import { setTimeout as delay } from 'node:timers/promises';
import type { Watch } from '@kubernetes/client-node';
import { errorFields, type OperatorError } from './errors.ts';
import { kubeError } from './kube-errors.ts';
import type { Log } from './log.ts';

/** One object to be watched: the path of its collection, and its name. */
export interface Watched {
  readonly path: string;
  readonly name: string;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** Rights do not come back by themselves as an API server does. */
const FORBIDDEN_PAUSE_MS = 60_000;
/** An API server that has just started refuses everybody until it has read its roles: half a minute of tries. */
const PASSING_REFUSALS = 10;
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
  let failures = 0;
  let lastCode: string | undefined;
  while (!signal.aborted) {
    const startMs = performance.now();
    const error = await watchOnce(client, { path, name }, changed, signal);
    if (signal.aborted) return;
    // Another kind of failure is another state of the API server: one that has just come back must not wait long.
    const isSameKind = error?.code === lastCode;
    failures = error || performance.now() - startMs < STOOD_MS ? (isSameKind ? failures + 1 : 1) : 0;
    lastCode = error?.code;
    if (failures === 1 && error) log.warn('watch failed, looking every minute meanwhile', errorFields(error));
    await delay(pauseMs(failures, error), undefined, { signal }).catch(() => {});
  }
}

function pauseMs(failures: number, error: OperatorError | undefined): number {
  if (failures === 0) return 0;
  const isLasting = error?.code === 'KUBE_FORBIDDEN' && failures > PASSING_REFUSALS;
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), isLasting ? FORBIDDEN_PAUSE_MS : LONGEST_PAUSE_MS);
}

/** Tells of what a watch sees. Resolves when it has ended by itself or by the signal; rejects with what ended it else. */
export async function followWatch(
  client: Pick<Watch, 'watch'>,
  { path, query }: { readonly path: string; readonly query: Readonly<Record<string, string>> },
  tell: (type: string, object: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  const controller = await client.watch(path, query, tell, resolve).catch(resolve);
  const stop = () => controller?.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const error = await ended;
  signal.removeEventListener('abort', stop);
  if (!isOrdinary(error) && !signal.aborted) throw error;
}

/** Resolves when the watch has ended: with the error, or with nothing when it had stood and ended by itself. */
async function watchOnce(
  client: Pick<Watch, 'watch'>,
  { path, name }: Watched,
  changed: () => void,
  signal: AbortSignal,
): Promise<OperatorError | undefined> {
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  let hasEnded = false;
  const end = (error: unknown) => {
    hasEnded = true;
    resolve(error);
  };
  const query = { fieldSelector: `metadata.name=${name}`, allowWatchBookmarks: true };
  const seen = (type: string) => {
    if (type !== 'BOOKMARK') changed();
  };
  const controller = await client.watch(path, query, seen, end).catch(end);
  const stop = () => controller?.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  if (!hasEnded) changed();
  const error = await ended;
  signal.removeEventListener('abort', stop);
  return isOrdinary(error) ? undefined : kubeError(`watch ${name}`, error);
}

/** A watch ends when the server closes it, or when the client finds it quiet. */
const isOrdinary = (error: unknown): boolean =>
  error === null || error === undefined || (error instanceof DOMException && error.name === 'TimeoutError');
