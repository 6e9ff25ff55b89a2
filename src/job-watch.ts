import { setTimeout as delay } from 'node:timers/promises';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';
import { isObject } from './webhook/review.ts';

/** What a list says beside its Jobs. */
export interface JobPage {
  /** Of the whole list. */
  readonly resourceVersion: string;
  /** Where there is another page. */
  readonly next: string | undefined;
}

/** All Jobs of the cluster, as JSON. What the API server remembers no more is `expired`: list again. */
export interface JobSource {
  /**
   * Tells of the Jobs of one page.
   *
   * @throws OperatorError the `KUBE_…` codes.
   */
  page(next: string | undefined, saw: (job: unknown) => void): Promise<JobPage | 'expired'>;
  /**
   * Tells of every change since `resourceVersion`. Resolves when the watch has ended, however it stood.
   *
   * @throws OperatorError the `KUBE_…` codes.
   */
  watch(
    resourceVersion: string,
    tell: (type: string, object: unknown) => void,
    signal: AbortSignal,
  ): Promise<'ended' | 'expired'>;
}

export interface JobWatchers {
  /** A Job is there, or has changed. It is not kept here, and should not be there either. */
  readonly saw: (job: unknown) => void;
  /** The next page waits for this. */
  readonly pageSeen: () => Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** Rights do not come back by themselves as an API server does. */
const FORBIDDEN_PAUSE_MS = 3 * 60_000;
/** An API server that has just started refuses everybody until it has read its roles: half a minute of tries. */
const PASSING_REFUSALS = 10;
/** A watch that stood for less than this long has not really stood. */
const STOOD_MS = 1_000;

/**
 * Tells of every Job that there is, and then of every change, until the signal is aborted: a list page by page, then a
 * watch that goes on from where the one before has ended. Only what the API server remembers no more is listed again.
 */
export async function keepWatchingJobs(
  source: JobSource,
  watchers: JobWatchers,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  let from: string | undefined;
  let lastCode: string | undefined;
  for (let failures = 0; !signal.aborted; ) {
    const step = from === undefined ? list(source, watchers, { log, signal }) : follow(source, from, watchers, signal);
    const { next, isGood, error } = await step.catch((error: unknown) => orFailed(error, from));
    if (signal.aborted) return;
    from = next;
    // Another kind of failure is another state of the API server: one that has just come back must not wait long.
    const before = error?.code === lastCode ? failures : 0;
    failures = isGood ? 0 : before + 1;
    lastCode = error?.code;
    if (error && failures === 1) log.warn('jobs are not watched, will try again', errorFields(error));
    await delay(pauseMs(failures, error), undefined, { signal }).catch(() => {});
  }
}

/** What a list or a watch has come to. */
interface Step {
  /** From where to watch; absent: list again. */
  readonly next: string | undefined;
  readonly isGood: boolean;
  readonly error?: OperatorError;
}

function orFailed(error: unknown, from: string | undefined): Step {
  if (error instanceof OperatorError) return { next: from, isGood: false, error };
  throw error;
}

function pauseMs(failures: number, error: OperatorError | undefined): number {
  if (failures === 0) return 0;
  const isLasting = error?.code === 'KUBE_FORBIDDEN' && failures > PASSING_REFUSALS;
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), isLasting ? FORBIDDEN_PAUSE_MS : LONGEST_PAUSE_MS);
}

/** A page that is asked for too late means to begin again. */
async function list(
  source: JobSource,
  { saw, pageSeen }: JobWatchers,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<Step> {
  let jobs = 0;
  for (let next: string | undefined; !signal.aborted; ) {
    const page = await source.page(next, (job) => {
      jobs += 1;
      saw(job);
    });
    if (page === 'expired') break;
    await pageSeen();
    next = page.next;
    if (next === undefined) {
      log.info('jobs listed', { jobs });
      return { next: page.resourceVersion, isGood: true };
    }
  }
  return { next: undefined, isGood: false };
}

async function follow(source: JobSource, from: string, { saw }: JobWatchers, signal: AbortSignal): Promise<Step> {
  const startMs = performance.now();
  let next = from;
  let status: unknown;
  const end = await source.watch(
    from,
    (type, object) => {
      if (type === 'ERROR') status = object;
      else next = versionOf(object) ?? next;
      if (type === 'ADDED' || type === 'MODIFIED') saw(object);
    },
    signal,
  );
  // Told within a watch that has begun already; every other error there passes by itself.
  if (end === 'expired' || (isObject(status) && status.code === 410)) return { next: undefined, isGood: false };
  const hasStood = performance.now() - startMs >= STOOD_MS || next !== from;
  return { next, isGood: hasStood && status === undefined };
}

function versionOf(object: unknown): string | undefined {
  const metadata = isObject(object) ? object.metadata : undefined;
  const version = isObject(metadata) ? metadata.resourceVersion : undefined;
  return typeof version === 'string' ? version : undefined;
}
