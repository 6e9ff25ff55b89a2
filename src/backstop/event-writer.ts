import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { TellOnce } from '../lib/log-once.ts';
import { withFewRetries } from '../lib/retry.ts';
import { createWorkQueue } from '../lib/work-queue.ts';
import type { JobStore } from '../stores/job-store.ts';
import type { JobReference } from './decide.ts';
import type { JobNotice } from './job-events.ts';

/** Writes an Event about a Job in its turn. `told` is called where it was not written before. */
export type TellOfJob = (job: JobReference, notice: JobNotice, told?: () => void) => void;

/** Patches go first. */
const EVENTS = { concurrency: 2, most: 5_000 };

const NOT_WRITTEN = 'event not written';

/** Events are a courtesy: nothing waits for one. Each is tried for a minute or so; what fails then is told in the log. */
export function createTeller(
  jobs: Pick<JobStore, 'tell'>,
  { log, tellOnce }: { readonly log: Log; readonly tellOnce: TellOnce },
  signal: AbortSignal,
): TellOfJob {
  const queue = createWorkQueue(EVENTS, signal);
  return (job, notice, told = () => {}) => {
    const { namespace, name } = job;
    const lost = (why: object) => tellOnce.failed(NOT_WRITTEN, { namespace, name, event: notice.name, ...why });
    const write = async () => {
      try {
        const isNew = await withFewRetries(() => jobs.tell(job, notice), signal);
        tellOnce.done(NOT_WRITTEN);
        if (isNew) told();
        else log.debug('told before', { event: notice.name });
      } catch (error) {
        // The calls that were under way have been ended on purpose.
        if (signal.aborted) return;
        if (!(error instanceof OperatorError)) throw error;
        lost(errorFields(error));
      }
    };
    if (!queue.add(namespace, write) && !signal.aborted) lost({ error: 'too many others are waiting' });
  };
}
