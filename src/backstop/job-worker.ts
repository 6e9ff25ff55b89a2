import { exponentialBackoffMs } from '../lib/backoff.ts';
import { errorFields, isForbidden, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { OutageLog } from '../lib/log-once.ts';
import type { RepairLimiter } from '../lib/repair-limiter.ts';
import { timings } from '../lib/timings.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Ending } from '../terraform/ending.ts';
import { capForRun, type PodRun, podRun } from './current-run.ts';
import { type CapDecision, type ExplainDecision, type JobDecision, type JobReference, referenceOf } from './decide.ts';
import { createEndingReader } from './ending-reader.ts';
import type { WriteJobEvent } from './event-queue.ts';
import type { FailedApplies } from './failed-applies.ts';
import { missedEvent, notRetriedEvent } from './job-events.ts';
import type { JobStore } from './job-store.ts';
import type { JobHandlers } from './job-watch.ts';
import { createRetryQueue } from './retry-queue.ts';

export interface JobWorkerDependencies {
  readonly jobs: Pick<JobStore, 'read' | 'cap' | 'pods'>;
  readonly namespaceLabels: (namespace: string) => Promise<Labels>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'jobMissed' | 'jobNotRetried'>;
  readonly writeEvent: WriteJobEvent;
  readonly failedApplies: FailedApplies;
  readonly outages: OutageLog;
  /** Rate-limits the caps of each Job, because another writer can keep raising its backoffLimit. */
  readonly limiter: RepairLimiter;
  readonly now: () => Date;
  /** The policy in force. */
  readonly policy: () => Policy;
  decide(job: unknown, namespaceLabels?: Labels): JobDecision;
}

/** A queued Job that must be capped or explained, or whose decision needs the labels of its namespace. */
interface Attempt {
  readonly job: JobReference;
  /** The policy that led to `decision`. */
  readonly policy: Policy;
  readonly decision: JobDecision;
}

/**
 * Limits of the queue of Jobs. At most eight Jobs are processed at once, so that the API server keeps capacity for
 * other clients. 5,000 queued Jobs take a few megabytes, because the queue holds only references.
 */
export const JOB_CALLS = { concurrency: 8, most: 5_000 };
/**
 * Maximum time that the list waits for the Jobs of one page to be processed, before it reads the next page. The time is
 * short, because the API server can refuse to continue a list that began more than five minutes ago.
 */
const PAGE_MS = 2_000;

const NOT_CAPPED = 'job not capped';
const RAISED = 'cap rate-limited: another writer keeps raising backoffLimit';
const PODS_UNREAD = 'cannot list pods, a cap may end a run';

/**
 * Returns handlers that decide about each reported Job and act on the decision. Failures are retried with exponential
 * backoff.
 *
 * @param onOverflow called when the queue is full and has dropped a Job. Another list, or its next change, finds this Job again.
 */
export function createJobWorker(
  dependencies: JobWorkerDependencies,
  onOverflow: () => void,
  signal: AbortSignal,
): JobHandlers {
  const { jobs, namespaceLabels, log, metrics, writeEvent, failedApplies, outages, policy, decide } = dependencies;
  const { job: backoff } = timings;
  const endings = createEndingReader(jobs, outages);
  const queue = createRetryQueue<Attempt>({ ...JOB_CALLS, run, onOverflow }, signal);

  async function run(attempt: Attempt, tries: number): Promise<number | undefined> {
    try {
      const decision = await decideNow(attempt, tries);
      // If this replica lost the Lease while it read the Job, it leaves the Job to the new holder, whose policy can
      // differ.
      if (signal.aborted) return undefined;
      if (decision.action === 'explain') await explain(decision);
      else failedApplies.remove(attempt.job.uid);
      return decision.action === 'cap' ? await capJob(decision, dependencies) : undefined;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      return afterFailure(attempt, error, tries + 1);
    }
  }
  function afterFailure({ job: { namespace, name } }: Attempt, error: OperatorError, failures: number): number {
    // The stop of the daemon aborts running calls. Such a failure needs no log line.
    if (!signal.aborted) outages.failed(NOT_CAPPED, { namespace, name, ...errorFields(error) });
    // An error that is not retryable, such as a missing right, lasts until a user fixes the cause.
    return error.retryable ? exponentialBackoffMs(failures, backoff) : backoff.longestMs;
  }
  async function decideNow({ job, decision: first, policy: ofFirst }: Attempt, tries: number): Promise<JobDecision> {
    // Only the first try can use the queued decision; a later try reads the Job again.
    if (tries === 0 && first.action !== 'ask' && ofFirst === policy()) return first;
    const stored = await jobs.read(job);
    const decision = decide(stored);
    return decision.action === 'ask' ? decide(stored, await namespaceLabels(job.namespace)) : decision;
  }
  /** Reads how the Job ended. If it has failed, queues its NotRetried Event and the check of its Configuration. */
  async function explain(decision: ExplainDecision): Promise<void> {
    const ending: Ending = decision.isNews ? await endings.read(decision) : { kind: 'unknown' };
    const { namespace, name } = decision.job;
    if (!decision.hasFailed) return log.debug('job failing, pods read', { namespace, name, ending: ending.kind });
    failedApplies.add(decision, ending);
    if (!decision.isNews) return;
    writeEvent(decision.job, notRetriedEvent(decision, ending), () => {
      log.info('job failed, not retried by policy', { namespace, name, ending: ending.kind });
      metrics.jobNotRetried();
    });
  }
  function onJob(stored: unknown): void {
    const job = referenceOf(stored);
    if (job === undefined || isQueued(job)) return;
    queue.remove(job.uid);
    const decision = decide(stored);
    if (decision.action === 'leave') {
      failedApplies.remove(job.uid);
      return;
    }
    queue.add(job.uid, job.namespace, { job, policy: policy(), decision });
  }
  /**
   * Returns whether the queue has this version of the Job with the current policy. The Job is then not queued again, so
   * that the time of its next try stays the same.
   */
  function isQueued({ uid, resourceVersion }: JobReference): boolean {
    const attempt = queue.get(uid);
    return attempt?.job.resourceVersion === resourceVersion && attempt.policy === policy();
  }
  return {
    onJob,
    onDeleted(stored) {
      const uid = referenceOf(stored)?.uid ?? '';
      queue.remove(uid);
      endings.forget(uid);
      failedApplies.remove(uid);
    },
    pageDone: () => untilAborted(queue.idle(), AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS)])),
  };
}

/**
 * Caps the Job. Resolves with the milliseconds until the next try, or `undefined` if no further try is needed.
 *
 * @throws OperatorError with a `KUBE_…` code.
 */
async function capJob(decided: CapDecision, dependencies: JobWorkerDependencies): Promise<number | undefined> {
  const { jobs, log, metrics, writeEvent, outages, limiter, now } = dependencies;
  const { job } = decided;
  const { namespace, name } = job;
  const delayMs = limiter.delayMs(job.uid, now());
  if (delayMs > 0) {
    outages.failed(RAISED, { namespace, name, error: 'another writer raises backoffLimit after each cap' });
    return delayMs;
  }
  const decision = decided.needsPods ? await withPods(decided, dependencies) : decided;
  if (decision === undefined) return undefined;
  const { from, to, reason } = decision;
  const result = await jobs.cap(decision);
  // Another writer has changed the Job. The watch reports the change, and the worker then decides again.
  if (result === 'lost') return undefined;
  limiter.record(job.uid, now());
  if (result === 'undone') {
    const error = 'the API server stored a higher backoffLimit than the patch sets';
    outages.failed(NOT_CAPPED, { namespace, name, error });
    // If another webhook raised the limit in the same request, the Job may be unchanged. The watch then reports
    // nothing, so the queue must try again.
    return timings.job.longestMs;
  }
  for (const problem of [NOT_CAPPED, RAISED]) outages.recovered(problem);
  log.info('uncapped job capped', { namespace, name, from, to, reason });
  metrics.jobMissed();
  writeEvent(job, missedEvent(decision));
  return undefined;
}

/** Reads the Pods of the Job and returns the cap that does not end its current run; see `capForRun`. */
async function withPods(
  decision: CapDecision,
  { jobs, outages }: Pick<JobWorkerDependencies, 'jobs' | 'outages'>,
): Promise<CapDecision | undefined> {
  const runs: PodRun[] = [];
  let isComplete: boolean;
  try {
    isComplete = await jobs.pods(decision.job, 'unfinished', (pod) => runs.push(podRun(pod)));
  } catch (error) {
    if (!isForbidden(error)) throw error;
    // A missing right does not return by itself, and an endless Job is worse than a run that is cut off.
    outages.failed(PODS_UNREAD, errorFields(error));
    return decision;
  }
  outages.recovered(PODS_UNREAD);
  return capForRun(decision, runs, isComplete);
}
