import { keepWatching } from '../kube/watch.ts';
import type { Log } from '../lib/log.ts';
import { readPages } from './job-pages.ts';
import type { JobList } from './job-store.ts';

export interface JobHandlers {
  /** Called for each listed, created or changed Job. */
  onJob(job: unknown): void;
  /** Called with the last known state of a Job that was deleted. */
  onDeleted(job: unknown): void;
  /** Called after each page of a list. The next page is read after the returned promise has resolved. */
  pageDone(): Promise<void>;
  /** Called each time that the Jobs were listed. */
  onList(): void;
}

export interface JobWatch {
  /** Resolves when the watch has ended, after the signal was aborted. */
  readonly ended: Promise<void>;
  /** Lists all Jobs again now, or after a running list has finished. */
  listNow(): void;
  /** Lists all Jobs again when the current watch ends, within about 30 s. */
  listSoon(): void;
}

/**
 * Lists the Jobs of one namespace, or of all namespaces, of which no Pod has succeeded, page by page. Then watches all
 * Jobs, until the signal is aborted. A list whose continue token expires starts again.
 */
export function watchJobs(
  jobs: Pick<JobList, 'namespace' | 'page' | 'watch'>,
  { onJob, onDeleted, pageDone, onList }: JobHandlers,
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
    const version = await readPages({ read: (next) => jobs.page(next, onListed), done: pageDone }, signal);
    if (version === undefined) return undefined;
    log.info('jobs listed', { jobs: count, namespace: jobs.namespace });
    onList();
    return version;
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
