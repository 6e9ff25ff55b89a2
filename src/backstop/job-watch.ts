import { setTimeout as delay } from 'node:timers/promises';
import { createFailures, type Failures, type Pause } from '../lib/backoff.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { isObject } from '../webhook/review.ts';

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
   * Tells of every change since `resourceVersion`. Resolves when the watch has ended, or the signal is aborted.
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
  /** A Job is there no more, as it was at last. */
  readonly gone: (job: unknown) => void;
  /** The next page waits for this. */
  readonly pageSeen: () => Promise<void>;
  /** All have been told of; from now on the changes are. */
  readonly listed: () => void;
}

/** Rights do not come back by themselves as an API server does. */
const FORBIDDEN_PAUSE_MS = 3 * 60_000;
/** Where so many watches in a row fail at the same version, that may be what is wrong. */
const MOST_FAILED_WATCHES = 5;
/** A watch that stood for less than this long has not really stood. */
const STOOD_MS = 1_000;

/**
 * Tells of every Job that there is, and then of every change, until the signal is aborted: a list page by page, then a
 * watch that goes on from where the one before has ended. All are listed again where the API server does not remember
 * that any more, or where five watches in a row have failed at the same place.
 */
export async function keepWatchingJobs(
  source: JobSource,
  watchers: JobWatchers,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  const failures = createFailures(FORBIDDEN_PAUSE_MS);
  let from: string | undefined;
  let failedWatches = 0;
  while (!signal.aborted) {
    const step = await (from === undefined
      ? list(source, watchers, { log, signal })
      : follow(source, from, watchers, signal));
    if (signal.aborted) return;
    failedWatches = isStuck(step, from) ? failedWatches + 1 : 0;
    from = failedWatches < MOST_FAILED_WATCHES ? step.next : undefined;
    const { pauseMs, news } = pauseAfter(step, failures);
    if (news) log.warn('jobs are not watched, will try again', news);
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** What a list or a watch has come to. */
interface Step {
  readonly outcome: 'listed' | 'watched' | 'failed';
  /** From where to watch; absent: list again. */
  readonly next: string | undefined;
  readonly error?: OperatorError;
}

const isStuck = ({ outcome, next }: Step, from: string | undefined): boolean =>
  outcome === 'failed' && from !== undefined && next === from;

function pauseAfter({ outcome, error }: Step, failures: Failures): Pause {
  if (outcome === 'failed') return failures.more(error);
  // A list does not end a series: it may be the watches that fail.
  return outcome === 'watched' ? failures.none() : { pauseMs: 0 };
}

function failed(error: unknown, next: string | undefined): Step {
  if (error instanceof OperatorError) return { outcome: 'failed', next, error };
  throw error;
}

/** A page that is asked for too late means to begin again. */
async function list(
  source: JobSource,
  { saw, pageSeen, listed }: JobWatchers,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<Step> {
  let jobs = 0;
  const count = (job: unknown) => {
    jobs += 1;
    saw(job);
  };
  try {
    for (let next: string | undefined; !signal.aborted; ) {
      const page = await source.page(next, count);
      if (page === 'expired') break;
      await pageSeen();
      next = page.next;
      if (next !== undefined) continue;
      log.info('jobs listed', { jobs });
      listed();
      return { outcome: 'listed', next: page.resourceVersion };
    }
    return { outcome: 'failed', next: undefined };
  } catch (error) {
    return failed(error, undefined);
  }
}

async function follow(source: JobSource, from: string, { saw, gone }: JobWatchers, signal: AbortSignal): Promise<Step> {
  const startMs = performance.now();
  let next = from;
  const told = (type: string, object: unknown) => {
    next = versionOf(object) ?? next;
    if (type === 'ADDED' || type === 'MODIFIED') saw(object);
    else if (type === 'DELETED') gone(object);
  };
  try {
    if ((await source.watch(from, told, signal)) === 'expired') return { outcome: 'failed', next: undefined };
    const hasStood = next !== from || performance.now() - startMs >= STOOD_MS;
    return { outcome: hasStood ? 'watched' : 'failed', next };
  } catch (error) {
    return failed(error, next);
  }
}

function versionOf(object: unknown): string | undefined {
  const metadata = isObject(object) ? object.metadata : undefined;
  const version = isObject(metadata) ? metadata.resourceVersion : undefined;
  return typeof version === 'string' ? version : undefined;
}
