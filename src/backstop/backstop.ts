import { logOncePerOutage } from '../lib/log-once.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import type { Labels } from '../policy/policy.ts';
import { decideJob, type Heal, type JobDecision } from './decide.ts';
import { createJobEventQueue } from './event-queue.ts';
import type { JobStore } from './job-store.ts';
import { watchJobs } from './job-watch.ts';
import { createJobWorker, JOB_CALLS, type JobWorkerDependencies } from './job-worker.ts';

export interface BackstopDependencies
  extends Pick<JobWorkerDependencies, 'namespaceLabels' | 'log' | 'metrics' | 'now' | 'policy'> {
  readonly jobs: JobStore;
  /** Milliseconds since the process started. */
  readonly uptimeMs: () => number;
  /** Registers a callback for a new policy, after which all Jobs are listed again. */
  readonly onPolicyChange: (changed: () => void) => void;
  readonly heal: Heal;
}

/**
 * Returns a function that caps Jobs stored uncapped, and writes Events about Jobs that failed and are not retried by
 * policy, until its `running` signal is aborted.
 *
 * @param signal stops the writes of Events, which continue after `running` is aborted because the Lease was lost.
 */
export function createBackstop(
  dependencies: BackstopDependencies,
  signal: AbortSignal,
): (running: AbortSignal) => Promise<void> {
  const { jobs, log, now, uptimeMs, policy, heal, onPolicyChange } = dependencies;
  const outages = logOncePerOutage(log, uptimeMs);
  const writeEvent = createJobEventQueue(jobs, { log, outages }, signal);
  const limiter = createRepairLimiter(JOB_CALLS.most);
  let listNow = () => {};
  onPolicyChange(() => listNow());

  function decide(job: unknown, namespaceLabels?: Labels): JobDecision {
    const at = now();
    // Computed from the current time at each call, because a wrong clock may be corrected long after the start.
    const startedAt = new Date(at.getTime() - uptimeMs());
    return decideJob(job, { policy: policy(), heal, startedAt, namespaceLabels, now: at });
  }
  return async (running) => {
    // Another list finds the Jobs that the full queue has dropped.
    const onOverflow = () => watch.listSoon();
    const worker = createJobWorker({ ...dependencies, writeEvent, outages, limiter, decide }, onOverflow, running);
    const watch = watchJobs(jobs, worker, { log, signal: running });
    listNow = watch.listNow;
    await watch.ended;
  };
}
