import { setTimeout as delay } from 'node:timers/promises';
import { keepWatching } from '../kube/watch.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { JobReference } from './decide.ts';
import { readPages } from './job-pages.ts';
import type { JobList } from './job-store.ts';

export interface SuccessfulJobHandlers {
  /** Called with a Job that is not complete, although one of its Pods has succeeded. */
  onIncomplete(job: JobReference): void;
  /** Called after each page of a list. The next page is read after the returned promise has resolved. */
  pageDone(): Promise<void>;
}

export interface SuccessfulJobs {
  /** Resolves after the signal was aborted. */
  readonly ended: Promise<void>;
  /** Lists these Jobs now, or once more after a running list has finished. */
  listNow(): void;
}

/**
 * Lists the Jobs of which a Pod has succeeded each time that `listNow` was called, until the signal is aborted. Almost all
 * of these Jobs are complete, and a large cluster has many of them. So the list takes at most half of the time of the
 * API server and of this process.
 */
export function listSuccessfulJobs(
  jobs: Pick<JobList, 'namespace' | 'successfulPage'>,
  { onIncomplete, pageDone }: SuccessfulJobHandlers,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): SuccessfulJobs {
  let due = Promise.withResolvers<void>();
  const first = due.promise;

  async function list(): Promise<string | undefined> {
    await untilAborted(first, signal);
    if (signal.aborted) return undefined;
    due = Promise.withResolvers();
    let incomplete = 0;
    let tookMs = 0;
    const onListed = (job: JobReference) => {
      if (signal.aborted) return;
      incomplete += 1;
      onIncomplete(job);
    };
    const pages = {
      async read(next: string | undefined) {
        const startMs = performance.now();
        const page = await jobs.successfulPage(next, onListed);
        tookMs = performance.now() - startMs;
        return page;
      },
      async done() {
        await pageDone();
        await delay(tookMs, undefined, { signal }).catch(() => {});
      },
    };
    const version = await readPages(pages, signal);
    if (version !== undefined) log.info('successful jobs listed', { incomplete, namespace: jobs.namespace });
    return version;
  }
  const ended = keepWatching(
    {
      list,
      // The watch of all Jobs reports their changes.
      watch: async () => {
        await untilAborted(due.promise, signal);
        return 'expired';
      },
      onEvent() {},
    },
    { warning: 'cannot list successful jobs, will try again', log, signal },
  );
  return { ended, listNow: () => due.resolve() };
}
