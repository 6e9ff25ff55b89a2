import { exponentialBackoffMs } from '../lib/backoff.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { OutageLog } from '../lib/log-once.ts';
import { timings } from '../lib/timings.ts';
import type { JobReference } from './decide.ts';
import type { JobEvent } from './job-events.ts';
import type { JobStore } from './job-store.ts';
import { createRetryQueue } from './retry-queue.ts';

/** Queues an Event about a Job. Calls `onCreated` if the Event did not exist before. */
export type WriteJobEvent = (job: JobReference, event: JobEvent, onCreated?: () => void) => void;

interface PendingEvent {
  readonly job: JobReference;
  readonly event: JobEvent;
  readonly onCreated: (() => void) | undefined;
}

/**
 * Limits of the queue. Only two Events are written at once, because patches of Jobs are more urgent. A queued Event
 * takes about 1 kB of memory.
 */
const EVENTS = { concurrency: 2, most: 5_000 };

const NOT_WRITTEN = 'cannot write a job event';

/**
 * Returns a queue that writes Events about Jobs. It retries a retryable failure for about a minute, then logs a warning
 * and drops the Event, because Events are best effort.
 */
export function createJobEventQueue(
  jobs: Pick<JobStore, 'writeEvent'>,
  { log, outages }: { readonly log: Log; readonly outages: OutageLog },
  signal: AbortSignal,
): WriteJobEvent {
  const { jobEvent: backoff } = timings;
  const onOverflow = (pending: PendingEvent) => logLost(pending, { error: 'event queue full' });
  const queue = createRetryQueue<PendingEvent>({ ...EVENTS, run, onOverflow }, signal);

  function logLost({ job: { namespace, name }, event }: PendingEvent, why: object): void {
    outages.failed(NOT_WRITTEN, { namespace, name, event: event.name, ...why });
  }
  async function run(pending: PendingEvent, tries: number): Promise<number | undefined> {
    const { job, event, onCreated } = pending;
    try {
      const isNew = await jobs.writeEvent(job, event);
      outages.recovered(NOT_WRITTEN);
      if (isNew) onCreated?.();
      else log.debug('event already exists', { event: event.name });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const failures = tries + 1;
      if (error.retryable && failures < backoff.tries) return exponentialBackoffMs(failures, backoff);
      // The stop of the daemon aborts running calls. Such a failure needs no log line.
      if (!signal.aborted) logLost(pending, errorFields(error));
    }
    return undefined;
  }
  return (job, event, onCreated) => queue.add(event.name, job.namespace, { job, event, onCreated });
}
