import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { OutageLog } from '../lib/log-once.ts';
import { withFewRetries } from '../lib/retry.ts';
import { createWorkQueue } from '../lib/work-queue.ts';
import type { JobReference } from './decide.ts';
import type { JobEvent } from './job-events.ts';
import type { JobStore } from './job-store.ts';

/** Queues an Event about a Job. `onCreated` is called when the Event did not exist before. */
export type WriteJobEvent = (job: JobReference, event: JobEvent, onCreated?: () => void) => void;

/** Two at a time, because patches of Jobs matter more. Each of the 5,000 that may wait costs a kilobyte or so. */
const EVENTS = { concurrency: 2, most: 5_000 };

const NOT_WRITTEN = 'event not written';

/** Events are best effort: nothing waits for one. Each is retried for about a minute; then its loss is logged. */
export function createJobEventWriter(
  jobs: Pick<JobStore, 'writeEvent'>,
  { log, outages }: { readonly log: Log; readonly outages: OutageLog },
  signal: AbortSignal,
): WriteJobEvent {
  const queue = createWorkQueue(EVENTS, signal);
  return (job, event, onCreated = () => {}) => {
    const { namespace, name } = job;
    const logLost = (why: object) => outages.failed(NOT_WRITTEN, { namespace, name, event: event.name, ...why });
    const write = async () => {
      try {
        const isNew = await withFewRetries(() => jobs.writeEvent(job, event), signal);
        outages.recovered(NOT_WRITTEN);
        if (isNew) onCreated();
        else log.debug('told before', { event: event.name });
      } catch (error) {
        // A stop aborts the calls that are under way.
        if (signal.aborted) return;
        if (!(error instanceof OperatorError)) throw error;
        logLost(errorFields(error));
      }
    };
    if (!queue.add(namespace, write) && !signal.aborted) logLost({ error: 'too many others are waiting' });
  };
}
