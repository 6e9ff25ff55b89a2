import type { Log } from '../lib/log.ts';
import type { OutageLog } from '../lib/log-once.ts';
import type { RepairLimiter } from '../lib/repair-limiter.ts';
import { retryPolicies } from '../lib/retry-policy.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { JobDecision } from './decide.ts';
import type { WriteJobEvent } from './event-writer.ts';
import { missedEvent, ranOnceEvent } from './job-events.ts';
import type { JobStore } from './job-store.ts';

export interface JobActionDependencies {
  readonly jobs: Pick<JobStore, 'cap'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'jobMissed' | 'jobRanOnce'>;
  readonly writeEvent: WriteJobEvent;
  readonly outages: OutageLog;
  /** How often each Job was capped: another writer may raise the limit each time. */
  readonly limiter: RepairLimiter;
  readonly now: () => Date;
}

export type CapDecision = Extract<JobDecision, { action: 'cap' }>;
type ExplainDecision = Extract<JobDecision, { action: 'explain' }>;

export const NOT_CAPPED = 'job not capped';
const RAISED = 'job raised again';

/**
 * Caps the Job. Resolves with the milliseconds until the next try, or `undefined` when none is needed.
 *
 * @throws OperatorError the `KUBE_…` codes.
 */
export async function capJob(
  { job, from, to }: CapDecision,
  { jobs, log, metrics, writeEvent, outages, limiter, now }: JobActionDependencies,
): Promise<number | undefined> {
  const { namespace, name } = job;
  const delayMs = limiter.delayMs(job.uid, now());
  if (delayMs > 0) {
    outages.failed(RAISED, { namespace, name, error: 'somebody else raises backoffLimit each time' });
    return delayMs;
  }
  const result = await jobs.cap(job, to);
  // The watch reports a Job that has changed.
  if (result === 'lost') return undefined;
  limiter.record(job.uid, now());
  if (result === 'undone') {
    outages.failed(NOT_CAPPED, { namespace, name, error: 'something sets backoffLimit again' });
    // The watch reports no change when another webhook has raised the limit within the patch.
    return retryPolicies.job.longestMs;
  }
  for (const problem of [NOT_CAPPED, RAISED]) outages.recovered(problem);
  log.info('job missed', { namespace, name, from, to });
  metrics.jobMissed();
  writeEvent(job, missedEvent(job, { from, to }));
  return undefined;
}

/** Queues an Event that says how the Job has failed. */
export function explainJob(
  { job, end }: ExplainDecision,
  { log, metrics, writeEvent }: Pick<JobActionDependencies, 'log' | 'metrics' | 'writeEvent'>,
): void {
  writeEvent(job, ranOnceEvent(job, end), () => {
    log.info('job ran once', { namespace: job.namespace, name: job.name });
    metrics.jobRanOnce();
  });
}
