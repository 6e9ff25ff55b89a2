import { onceUntilDone } from '../lib/log-once.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import { decideJob, type Heal, type JobDecision } from './decide.ts';
import { createJobEventWriter } from './event-writer.ts';
import { createJobActions, type JobActionDependencies } from './job-actions.ts';
import type { JobStore } from './job-store.ts';
import { watchJobs } from './job-watch.ts';
import { createJobWorker, JOB_CALLS, type JobWorkerDependencies } from './job-worker.ts';
import { type LeaseStore, takeTurns } from './lease.ts';

export interface BackstopDependencies
  extends Pick<JobActionDependencies, 'log' | 'metrics' | 'now'>,
    Pick<JobWorkerDependencies, 'namespaceLabels'> {
  readonly jobs: JobStore;
  readonly lease: LeaseStore;
  /** `host/start` of this process. */
  readonly replica: string;
}

export interface BackstopOptions {
  /** The policy in force. */
  readonly policy: () => Policy;
  /** Calls back when another policy has come into force: all Jobs are listed again then. */
  readonly onPolicyChange?: (changed: () => void) => void;
  readonly heal: Heal;
}

/** Jobs that the full queue dropped are listed again after this long: a list of thousands of Jobs costs the API server work. */
const RELIST_MS = 30_000;

/** Caps the Jobs that were stored uncapped, and writes Events about those that have failed, until the signal is aborted. */
export async function runBackstop(
  dependencies: BackstopDependencies,
  options: BackstopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { jobs, namespaceLabels, lease, replica, log, now } = dependencies;
  const { policy, heal, onPolicyChange } = options;
  // These outlast a turn: an Event is still written after another replica has taken over.
  const tellOnce = onceUntilDone(log, now);
  const writeEvent = createJobEventWriter(jobs, { log, tellOnce }, signal);
  const limiter = createRepairLimiter(JOB_CALLS.most);
  const actions = createJobActions({ ...dependencies, writeEvent, tellOnce, limiter });
  let listAgain = () => {};
  onPolicyChange?.(() => listAgain());

  function decide(job: unknown, labels?: Labels): JobDecision {
    const at = now();
    // Computed from the present clock each time, because a wrong clock may be corrected long after the start.
    const startedAt = new Date(at.getTime() - performance.now());
    return decideJob(job, { policy: policy(), heal, startedAt, namespaceLabels: labels, now: at });
  }

  async function watchDuringTurn(turn: AbortSignal): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const relist = () => {
      timer = undefined;
      watch.listAgain();
    };
    const onOverflow = () => {
      timer ??= setTimeout(relist, RELIST_MS).unref();
    };
    const worker = createJobWorker({ jobs, actions, namespaceLabels, tellOnce }, { policy, decide, onOverflow }, turn);
    const watch = watchJobs(jobs, worker, { log, signal: turn });
    listAgain = watch.listAgain;
    await watch.ended;
    clearTimeout(timer);
    await worker.pageDone();
  }
  await takeTurns(lease, watchDuringTurn, { identity: replica, now, log, signal });
}
