import { doubledMs } from './backoff.ts';

/** The repairs of one object so far. */
export interface RepairHistory {
  readonly repairs: number;
  readonly lastAt: Date;
}

/** Damage is repaired at once this often; after that each delay is twice the previous one. */
const FREE_REPAIRS = 20;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 5 * 60_000;
/** Two writers are no longer in conflict about an object that needed no repair for this long. */
const FORGET_MS = 2 * LONGEST_DELAY_MS;

/** Milliseconds until the object may be repaired again, so that two writers do not drive each other on; 0 if it may be now. */
export function repairDelayMs(history: RepairHistory | undefined, now: Date): number {
  if (history === undefined || history.repairs < FREE_REPAIRS) return 0;
  const sinceMs = now.getTime() - history.lastAt.getTime();
  // A clock that was set back must not delay a repair for longer.
  if (sinceMs < 0) return 0;
  const times = history.repairs - FREE_REPAIRS + 1;
  return Math.max(0, doubledMs(times, { firstMs: FIRST_DELAY_MS, longestMs: LONGEST_DELAY_MS }) - sinceMs);
}

export function withRepair(history: RepairHistory | undefined, now: Date): RepairHistory {
  const isGoingOn = history !== undefined && now.getTime() - history.lastAt.getTime() < FORGET_MS;
  return { repairs: isGoingOn ? history.repairs + 1 : 1, lastAt: now };
}

/** The repairs of many objects. */
export interface RepairLimiter {
  /** Milliseconds until the object may be repaired again; 0 if it may be now. */
  delayMs(object: string, now: Date): number;
  /** Counts a repair. */
  record(object: string, now: Date): void;
}

/** @param remembered how many objects are remembered at the most: the latest ones. */
export function createRepairLimiter(remembered: number): RepairLimiter {
  const histories = new Map<string, RepairHistory>();
  return {
    delayMs: (object, now) => repairDelayMs(histories.get(object), now),
    record(object, now) {
      const history = withRepair(histories.get(object), now);
      histories.delete(object);
      histories.set(object, history);
      const [oldest] = histories.keys();
      if (histories.size > remembered && oldest !== undefined) histories.delete(oldest);
    },
  };
}
