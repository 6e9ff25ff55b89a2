import { logOncePerOutage } from '../lib/log-once.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import type { Labels } from '../policy/policy.ts';
import { decideJob, type Heal, type JobDecision } from './decide.ts';
import { createJobEventWriter } from './event-writer.ts';
import type { JobStore } from './job-store.ts';
import { watchJobs } from './job-watch.ts';
import { createJobWorker, JOB_CALLS, type JobWorkerDependencies } from './job-worker.ts';

export interface BackstopDependencies
  extends Pick<JobWorkerDependencies, 'namespaceLabels' | 'log' | 'metrics' | 'now' | 'policy'> {
  readonly jobs: JobStore;
  /** Milliseconds since the start of the process. */
  readonly uptimeMs: () => number;
  /** Calls back when another policy has come into force: all Jobs are listed again then. */
  readonly onPolicyChange: (changed: () => void) => void;
  readonly heal: Heal;
}

/**
 * Returns a function that caps the Jobs that were stored uncapped, and writes Events about those that have failed, until the
 * signal given to it is aborted.
 *
 * @param signal ends what outlasts a run: an Event is still written after another replica has taken over.
 */
export function createBackstop(
  dependencies: BackstopDependencies,
  signal: AbortSignal,
): (running: AbortSignal) => Promise<void> {
  const { jobs, log, now, uptimeMs, policy, heal, onPolicyChange } = dependencies;
  const outages = logOncePerOutage(log, uptimeMs);
  const writeEvent = createJobEventWriter(jobs, { log, outages }, signal);
  const limiter = createRepairLimiter(JOB_CALLS.most);
  let listNow = () => {};
  onPolicyChange(() => listNow());

  function decide(job: unknown, namespaceLabels?: Labels): JobDecision {
    const at = now();
    // Computed from the present clock each time, because a wrong clock may be corrected long after the start.
    const startedAt = new Date(at.getTime() - uptimeMs());
    return decideJob(job, { policy: policy(), heal, startedAt, namespaceLabels, now: at });
  }
  return async (running) => {
    // A list finds the Jobs that the full queue has dropped.
    const onOverflow = () => watch.listSoon();
    const worker = createJobWorker({ ...dependencies, writeEvent, outages, limiter, decide }, onOverflow, running);
    const watch = watchJobs(jobs, worker, { log, signal: running });
    listNow = watch.listNow;
    await watch.ended;
  };
}
