import { setTimeout as delay } from 'node:timers/promises';
import { exponentialBackoffMs } from '../lib/backoff.ts';
import { OperatorError } from '../lib/errors.ts';
import { timings } from '../lib/timings.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { JobPage } from './job-store.ts';

export interface JobPages {
  /** Reads one page. The Jobs of a page that arrives after the abort must be ignored. */
  read(next: string | undefined): Promise<JobPage | 'expired'>;
  /** Called after each page. The next page is read after the returned promise has resolved. */
  done(): Promise<void>;
}

/**
 * Reads all pages of a list. Resolves with the resourceVersion of the list, or with `undefined` if the continue token has
 * expired or the signal was aborted.
 *
 * @throws OperatorError with a `KUBE_…` code.
 */
export async function readPages(pages: JobPages, signal: AbortSignal): Promise<string | undefined> {
  let page: JobPage | undefined;
  do {
    const answer = await untilAborted(readWithRetries(pages, page?.next, signal), signal);
    if (answer === undefined || answer === 'expired') return undefined;
    page = answer;
    await pages.done();
    if (signal.aborted) return undefined;
  } while (page.next !== undefined);
  return page.resourceVersion;
}

/** Reads one page of a list. Retries a failed read, because a new list would start at the first Job. */
async function readWithRetries(
  pages: JobPages,
  next: string | undefined,
  signal: AbortSignal,
): Promise<JobPage | 'expired'> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await pages.read(next);
    } catch (error) {
      const isLast = failures >= timings.jobPage.tries || signal.aborted;
      if (isLast || !(error instanceof OperatorError && error.retryable)) throw error;
      const pauseMs = exponentialBackoffMs(failures, timings.jobPage);
      await delay(pauseMs, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}
