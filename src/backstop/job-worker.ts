import { exponentialBackoffMs } from '../lib/backoff.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import { retryPolicies } from '../lib/retry-policy.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import { type JobDecision, type JobReference, referenceOf } from './decide.ts';
import { type CapDecision, capJob, explainJob, type JobActionDependencies, NOT_CAPPED } from './job-actions.ts';
import type { JobStore } from './job-store.ts';
import type { JobHandlers } from './job-watch.ts';
import { createRetryQueue, type NextTry } from './retry-queue.ts';

export interface JobWorkerDependencies extends JobActionDependencies {
  readonly jobs: Pick<JobStore, 'read' | 'cap'>;
  readonly namespaceLabels: (namespace: string) => Promise<Labels>;
}

export interface JobWorkerOptions {
  /** The policy in force. */
  readonly policy: () => Policy;
  decide(job: unknown, namespaceLabels?: Labels): JobDecision;
  /** Called when a Job was dropped because the queue is full: only another list finds the Job then. */
  onOverflow(): void;
}

/** A Job that must be capped, or may have to be. */
interface Attempt {
  readonly job: JobReference;
  /** The policy in force when the Job was seen. */
  readonly policy: Policy;
  /** The decision about the Job as it was seen. A retry reads the Job and decides again. */
  readonly decision?: CapDecision;
  readonly failures: number;
}

/**
 * Eight calls at once cap 500 Jobs within 5 s and leave the API server to its other clients. 5,000 Jobs that wait cost a few
 * megabytes, because each is a reference only.
 */
export const JOB_CALLS = { concurrency: 8, most: 5_000 };
/** The next page waits at most so long for the Jobs of this one, because the API server forgets a list after five minutes. */
const PAGE_MS = 10_000;

/** Decides about each Job that was seen and acts on the decision. Retries failures less and less often. */
export function createJobWorker(
  dependencies: JobWorkerDependencies,
  { policy, decide, onOverflow }: JobWorkerOptions,
  signal: AbortSignal,
): JobHandlers {
  const { jobs, namespaceLabels, outages } = dependencies;
  const queue = createRetryQueue<Attempt>({ ...JOB_CALLS, run, onOverflow }, signal);

  async function run(attempt: Attempt): Promise<NextTry<Attempt> | undefined> {
    const { decision: _decision, ...again } = attempt;
    try {
      const decision = await decideNow(attempt);
      if (decision.action === 'explain') explainJob(decision, dependencies);
      if (decision.action !== 'cap') return undefined;
      const afterMs = await capJob(decision, dependencies);
      return afterMs === undefined ? undefined : { item: again, afterMs };
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      return afterFailure({ ...again, failures: again.failures + 1 }, error);
    }
  }
  function afterFailure(attempt: Attempt, error: OperatorError): NextTry<Attempt> {
    const { namespace, name } = attempt.job;
    // A stop aborts the calls that are under way.
    if (!signal.aborted) outages.failed(NOT_CAPPED, { namespace, name, ...errorFields(error) });
    // A refusal lasts until a person changes something.
    const { job: backoff } = retryPolicies;
    const afterMs = error.retryable ? exponentialBackoffMs(attempt.failures, backoff) : backoff.longestMs;
    return { item: attempt, afterMs };
  }
  async function decideNow({ job, decision: first, policy: ofFirst }: Attempt): Promise<JobDecision> {
    if (first !== undefined && ofFirst === policy()) return first;
    const stored = await jobs.read(job);
    const decision = decide(stored);
    return decision.action === 'ask' ? decide(stored, await namespaceLabels(job.namespace)) : decision;
  }
  function onJob(stored: unknown): void {
    const job = referenceOf(stored);
    if (job === undefined || isQueued(job)) return;
    queue.remove(job.uid);
    const decision = decide(stored);
    if (decision.action === 'explain') explainJob(decision, dependencies);
    const attempt = { job, policy: policy(), failures: 0 };
    if (decision.action === 'ask') queue.add(job.uid, job.namespace, attempt);
    if (decision.action === 'cap') queue.add(job.uid, job.namespace, { ...attempt, decision });
  }
  /** A Job that a list reports again, unchanged, keeps the time of its next try unless the policy has changed. */
  function isQueued({ uid, resourceVersion }: JobReference): boolean {
    const attempt = queue.get(uid);
    return attempt?.job.resourceVersion === resourceVersion && attempt.policy === policy();
  }
  return {
    onJob,
    onDeleted: (stored) => queue.remove(referenceOf(stored)?.uid ?? ''),
    pageDone: () => untilAborted(queue.idle(), AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS)])),
  };
}
