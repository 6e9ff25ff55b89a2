import { setTimeout as delay } from 'node:timers/promises';
import { keepWatching } from '../kube/watch.ts';
import { exponentialBackoffMs } from '../lib/backoff.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { timings } from '../lib/timings.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { JobList, JobPage } from './job-store.ts';

export interface JobHandlers {
  /** Called for each listed, created or changed Job. */
  onJob(job: unknown): void;
  /** Called with the last known state of a Job that was deleted. */
  onDeleted(job: unknown): void;
  /** Called after each page of a list. The next page is read after the returned promise has resolved. */
  pageDone(): Promise<void>;
}

export interface JobWatch {
  /** Resolves when the watch has ended, after the signal was aborted. */
  readonly ended: Promise<void>;
  /** Lists the Jobs again now, or after a running list has finished. */
  listNow(): void;
  /** Lists the Jobs again when the current watch ends, within about 30 s. */
  listSoon(): void;
}

/**
 * Lists the Jobs of one namespace, or of all namespaces, of which no Pod has succeeded, page by page. Then watches all
 * Jobs, until the signal is aborted. A list whose continue token expires starts again.
 */
export function watchJobs(
  jobs: JobList,
  { onJob, onDeleted, pageDone }: JobHandlers,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): JobWatch {
  let watching = new AbortController();
  let isListDue = false;

  async function list(): Promise<string | undefined> {
    watching = new AbortController();
    isListDue = false;
    let count = 0;
    const onListed = (job: unknown) => {
      // The page can arrive after the abort. Its Jobs are then ignored.
      if (signal.aborted) return;
      count += 1;
      onJob(job);
    };
    let page: JobPage | undefined;
    do {
      const answer = await untilAborted(readPage(page?.next, onListed), signal);
      if (answer === undefined || answer === 'expired') return undefined;
      page = answer;
      await pageDone();
      if (signal.aborted) return undefined;
    } while (page.next !== undefined);
    log.info('jobs listed', { jobs: count, namespace: jobs.namespace });
    return page.resourceVersion;
  }
  /** Reads one page of a list. Retries a failed read, because a new list would start at the first Job. */
  async function readPage(next: string | undefined, onListed: (job: unknown) => void): Promise<JobPage | 'expired'> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await jobs.page(next, onListed);
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
  const ended = keepWatching(
    {
      list,
      async watch(from = '', onEvent, signal) {
        if (watching.signal.aborted) return 'expired';
        const result = await jobs.watch(from, onEvent, AbortSignal.any([signal, watching.signal]));
        return isListDue ? 'expired' : result;
      },
      onEvent(type, job) {
        if (type === 'ADDED' || type === 'MODIFIED') onJob(job);
        else if (type === 'DELETED') onDeleted(job);
      },
    },
    { warning: 'cannot watch jobs, will try again', log, signal },
  );
  const listSoon = () => {
    isListDue = true;
  };
  const listNow = () => {
    listSoon();
    watching.abort();
  };
  return { ended, listNow, listSoon };
}
