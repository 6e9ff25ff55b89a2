import { logOncePerOutage } from '../lib/log-once.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import { decideJob, type Heal, type JobDecision } from './decide.ts';
import { createJobEventWriter } from './event-writer.ts';
import type { JobStore } from './job-store.ts';
import { watchJobs } from './job-watch.ts';
import { createJobWorker, JOB_CALLS, type JobWorkerDependencies } from './job-worker.ts';

export interface BackstopDependencies
  extends Omit<JobWorkerDependencies, 'jobs' | 'writeEvent' | 'outages' | 'limiter'> {
  readonly jobs: JobStore;
  /** Milliseconds since the start of the process. */
  readonly uptimeMs?: () => number;
}

export interface BackstopOptions {
  /** The policy in force. */
  readonly policy: () => Policy;
  /** Calls back when another policy has come into force: all Jobs are listed again then. */
  readonly onPolicyChange?: (changed: () => void) => void;
  readonly heal: Heal;
}

export interface Backstop {
  /** Caps the Jobs that were stored uncapped, and writes Events about those that have failed, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** @param signal ends what outlasts a run: an Event is still written after another replica has taken over. */
export function createBackstop(
  dependencies: BackstopDependencies,
  options: BackstopOptions,
  signal: AbortSignal,
): Backstop {
  const { jobs, log, now, uptimeMs = () => performance.now() } = dependencies;
  const { policy, heal, onPolicyChange } = options;
  const outages = logOncePerOutage(log, uptimeMs);
  const writeEvent = createJobEventWriter(jobs, { log, outages }, signal);
  const limiter = createRepairLimiter(JOB_CALLS.most);
  const actions = { ...dependencies, writeEvent, outages, limiter };
  let listNow = () => {};
  onPolicyChange?.(() => listNow());

  function decide(job: unknown, labels?: Labels): JobDecision {
    const at = now();
    // Computed from the present clock each time, because a wrong clock may be corrected long after the start.
    const startedAt = new Date(at.getTime() - uptimeMs());
    return decideJob(job, { policy: policy(), heal, startedAt, namespaceLabels: labels, now: at });
  }

  async function run(running: AbortSignal): Promise<void> {
    // A list finds the Jobs that the full queue has dropped.
    const onOverflow = () => watch.listSoon();
    const worker = createJobWorker(actions, { policy, decide, onOverflow }, running);
    const watch = watchJobs(jobs, worker, { log, signal: running });
    listNow = watch.listNow;
    await watch.ended;
  }
  return { run };
}
