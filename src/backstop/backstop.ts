import { logOncePerOutage } from '../lib/log-once.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import type { Labels } from '../policy/policy.ts';
import type { ConfigurationStore } from './configuration-store.ts';
import { decideJob, type Heal, type JobDecision } from './decide.ts';
import { createJobEventQueue } from './event-queue.ts';
import { createFailedApplies, type FailedAppliesDependencies } from './failed-applies.ts';
import type { JobStore } from './job-store.ts';
import { watchJobs } from './job-watch.ts';
import { createJobWorker, JOB_CALLS, type JobWorkerDependencies } from './job-worker.ts';

export interface BackstopDependencies
  extends Pick<JobWorkerDependencies, 'namespaceLabels' | 'log' | 'now' | 'policy'> {
  readonly jobs: JobStore;
  readonly configurations: ConfigurationStore;
  readonly metrics: JobWorkerDependencies['metrics'] & FailedAppliesDependencies['metrics'];
  /** Milliseconds since the process started. */
  readonly uptimeMs: () => number;
  /** Registers a callback that is called after each change of the policy. The backstop then lists the Jobs again. */
  readonly onPolicyChange: (changed: () => void) => void;
  readonly heal: Heal;
}

/**
 * Returns the function that runs the backstop until its argument `running` is aborted. The backstop caps Jobs that were
 * stored uncapped. It writes Events about these Jobs and about failed Jobs that the policy does not retry.
 *
 * @param signal stops the writes of Events when it is aborted. An abort of `running` alone, after the loss of the
 * Lease, does not stop them: the queued Events are still written.
 */
export function createBackstop(
  dependencies: BackstopDependencies,
  signal: AbortSignal,
): (running: AbortSignal) => Promise<void> {
  const { jobs, log, now, uptimeMs, policy, heal, onPolicyChange } = dependencies;
  const outages = logOncePerOutage(log, uptimeMs);
  const writeEvent = createJobEventQueue(jobs, { log, outages }, signal);
  const startFailedApplies = createFailedApplies({ ...dependencies, outages });
  const limiter = createRepairLimiter(JOB_CALLS.most);
  let listNow = () => {};
  onPolicyChange(() => listNow());

  function decide(job: unknown, namespaceLabels?: Labels): JobDecision {
    const at = now();
    // Compute the start time of the daemon at each call, because the system clock can be corrected long after the
    // daemon has started.
    const startedAt = new Date(at.getTime() - uptimeMs());
    return decideJob(job, { policy: policy(), heal, startedAt, namespaceLabels, now: at });
  }
  return async (running) => {
    // The queue was full and dropped a Job. Another list, or its next change, finds this Job again.
    const onOverflow = () => {
      for (const watch of watches) watch.listSoon();
    };
    const failedApplies = startFailedApplies(running);
    const parts = { writeEvent, failedApplies, outages, limiter, decide };
    const worker = createJobWorker({ ...dependencies, ...parts }, onOverflow, running);
    const watches = jobs.lists.map((list) => watchJobs(list, worker, { log, signal: running }));
    listNow = () => {
      for (const watch of watches) watch.listNow();
    };
    await Promise.all(watches.map(({ ended }) => ended));
  };
}
