import { exponentialBackoffMs } from './backoff.ts';
import { timings } from './timings.ts';

/** The repairs of one object so far. */
export interface RepairHistory {
  readonly repairs: number;
  readonly lastAt: Date;
}

const { repair } = timings;

/**
 * Returns the milliseconds until the object may be repaired again; 0 if it may be repaired now. The delay grows, so
 * that two writers that revert each other do not overload the API server.
 */
export function repairDelayMs(history: RepairHistory | undefined, now: Date): number {
  if (history === undefined || history.repairs < repair.immediateTries) return 0;
  const sinceMs = now.getTime() - history.lastAt.getTime();
  // A clock that was set back must not delay a repair for longer.
  if (sinceMs < 0) return 0;
  const times = history.repairs - repair.immediateTries + 1;
  return Math.max(0, exponentialBackoffMs(times, repair) - sinceMs);
}

export function withRepair(history: RepairHistory | undefined, now: Date): RepairHistory {
  const isGoingOn = history !== undefined && now.getTime() - history.lastAt.getTime() < repair.forgetMs;
  return { repairs: isGoingOn ? history.repairs + 1 : 1, lastAt: now };
}

export type RepairLimiter = ReturnType<typeof createRepairLimiter>;

/**
 * Returns the rate limiter for repairs of many objects.
 *
 * @param remembered maximum number of objects in memory. Beyond it, the limiter forgets the object whose last repair is
 * the oldest.
 */
export function createRepairLimiter(remembered: number) {
  const histories = new Map<string, RepairHistory>();
  return {
    delayMs: (object: string, now: Date): number => repairDelayMs(histories.get(object), now),
    record(object: string, now: Date): void {
      const history = withRepair(histories.get(object), now);
      histories.delete(object);
      histories.set(object, history);
      const [oldest] = histories.keys();
      if (histories.size > remembered && oldest !== undefined) histories.delete(oldest);
    },
  };
}
