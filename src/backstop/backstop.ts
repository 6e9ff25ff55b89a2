import { onceUntilDone } from '../lib/log-once.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import { createWorkQueue } from '../lib/work-queue.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import type { JobStore } from '../stores/job-store.ts';
import { type Heal, judgeJob } from './decide.ts';
import { createTeller } from './event-writer.ts';
import { keepWatchingJobs } from './job-watch.ts';
import { type ActDependencies, createActs } from './job-worker.ts';
import { type LeaseStore, takeTurns } from './lease.ts';
import { createRounds, type Round } from './relist.ts';

export interface BackstopDependencies extends ActDependencies {
  readonly jobs: JobStore;
  readonly lease: LeaseStore;
  /** `host/start` of this process. */
  readonly replica: string;
}

export interface BackstopOptions {
  /** The policy in force. */
  readonly policy: () => Policy;
  /** Calls back when another one has come into force: all Jobs are looked at again then. */
  readonly onPolicyChange?: (changed: () => void) => void;
  readonly heal: Heal;
}

/** As many calls are made at once, and as many Jobs wait for one. 500 Jobs are to be capped within 5 s, and the API server has others to serve. */
const CALLS = { concurrency: 8, most: 5_000 };
/**
 * The next page waits for the calls of the one before, but not for longer: where each of them hangs, the API server would
 * have forgotten the list by then (it keeps one for five minutes), which would begin anew again and again.
 */
const PAGE_MS = 10_000;

/**
 * Caps the Jobs that were stored without the endpoint, and explains those that have failed, until the signal is
 * aborted. A Job that could not be written is tried again by itself; where those are too many, all are listed again.
 */
export async function runBackstop(
  dependencies: BackstopDependencies,
  options: BackstopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { jobs, lease, replica, log, now } = dependencies;
  // These outlast a turn: an Event is still written when another replica has taken over.
  const tellOnce = onceUntilDone(log, now);
  const memory = {
    tell: createTeller(jobs, { log, tellOnce }, signal),
    tellOnce,
    fights: createRepairLimiter(CALLS.most),
  };
  let round: Round | undefined;
  options.onPolicyChange?.(() => round?.end());
  const judge = (job: unknown, namespaceLabels?: Labels) => {
    const at = now();
    // By the clock as it is now: it may be set right long after the start.
    const startedAt = new Date(at.getTime() - performance.now());
    return judgeJob(job, { policy: options.policy(), heal: options.heal, startedAt, namespaceLabels, now: at });
  };

  async function keepLooking(turn: AbortSignal): Promise<void> {
    const startRound = createRounds(turn);
    while (!turn.aborted) {
      round = startRound();
      const calls = createWorkQueue(CALLS, round.signal);
      const acts = createActs(dependencies, { ...memory, round, calls, judge });
      const pageSeen = () => untilAborted(calls.idle(), AbortSignal.timeout(PAGE_MS));
      const watchers = { ...acts, pageSeen, listed: round.listed };
      await keepWatchingJobs(jobs, watchers, { log, signal: round.signal });
      await calls.idle();
    }
  }
  await takeTurns(lease, keepLooking, { identity: replica, now, log, signal });
}
