import { exponentialBackoffMs } from '../lib/backoff.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { OutageLog } from '../lib/log-once.ts';
import { retryPolicies } from '../lib/retry-policy.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import { type JobDecision, type JobReference, referenceOf } from './decide.ts';
import { type CapDecision, type JobActions, NOT_CAPPED } from './job-actions.ts';
import type { JobStore } from './job-store.ts';
import type { JobHandlers } from './job-watch.ts';
import { createRetryQueue, type NextTry } from './retry-queue.ts';

export interface JobWorkerDependencies {
  readonly jobs: Pick<JobStore, 'read'>;
  readonly actions: JobActions;
  readonly namespaceLabels: (namespace: string) => Promise<Labels>;
  readonly outages: OutageLog;
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
  /** The decision about the Job as it was seen, and the policy of the decision. A retry reads the Job and decides again. */
  readonly decided?: { readonly decision: CapDecision; readonly policy: Policy };
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
  { jobs, actions, namespaceLabels, outages }: JobWorkerDependencies,
  { policy, decide, onOverflow }: JobWorkerOptions,
  signal: AbortSignal,
): JobHandlers {
  const queue = createRetryQueue<Attempt>({ ...JOB_CALLS, run, onOverflow }, signal);
  const logFailure = createFailureLog(outages, signal);

  async function run({ job, decided, failures }: Attempt): Promise<NextTry<Attempt> | undefined> {
    try {
      const decision = decided?.policy === policy() ? decided.decision : await readAndDecide(job);
      if (decision?.action === 'explain') actions.explain(decision);
      if (decision?.action !== 'cap') return undefined;
      const afterMs = await logFailure(NOT_CAPPED, job, actions.cap(decision));
      return afterMs === undefined ? undefined : { item: { job, failures }, afterMs };
    } catch (error) {
      return { item: { job, failures: failures + 1 }, afterMs: retryPauseMs(error, failures + 1) };
    }
  }
  async function readAndDecide(job: JobReference): Promise<JobDecision | undefined> {
    const stored = await logFailure(NOT_CAPPED, job, jobs.read(job));
    const decision = decide(stored);
    if (decision.action !== 'ask') return decision;
    const labels = await logFailure(NOT_READ, job, untilAborted(namespaceLabels(job.namespace), signal));
    outages.recovered(NOT_READ);
    return labels && decide(stored, labels);
  }
  function onJob(stored: unknown): void {
    const job = referenceOf(stored);
    // A Job that a list reports again, unchanged, keeps the time of its next try.
    if (job === undefined || queue.get(job.uid)?.job.resourceVersion === job.resourceVersion) return;
    queue.remove(job.uid);
    const decision = decide(stored);
    if (decision.action === 'explain') actions.explain(decision);
    if (decision.action === 'ask') queue.add(job.uid, job.namespace, { job, failures: 0 });
    if (decision.action === 'cap') {
      queue.add(job.uid, job.namespace, { job, decided: { decision, policy: policy() }, failures: 0 });
    }
  }
  return {
    onJob,
    onDeleted: (stored) => queue.remove(referenceOf(stored)?.uid ?? ''),
    pageDone: () => untilAborted(queue.idle(), AbortSignal.timeout(PAGE_MS)),
  };
}

function retryPauseMs(error: unknown, failures: number): number {
  if (!(error instanceof OperatorError)) throw error;
  // A refusal lasts until a person changes something.
  return error.retryable ? exponentialBackoffMs(failures, retryPolicies.job) : retryPolicies.job.longestMs;
}

const NOT_READ = 'namespace not read';

/** Logs the failure of a call about a Job, and passes it on. */
function createFailureLog(outages: OutageLog, signal: AbortSignal) {
  return async <T>(problem: string, { namespace, name }: JobReference, call: Promise<T>): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      // A stop aborts the calls that are under way.
      if (!signal.aborted && error instanceof OperatorError) {
        outages.failed(problem, { namespace, name, ...errorFields(error) });
      }
      throw error;
    }
  };
}
