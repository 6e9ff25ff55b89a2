import { doubledMs } from './backoff.ts';

/** Holds back repairs that somebody else undoes again and again, so that two writers do not drive each other on. */
export interface Fights {
  /** Milliseconds until the object may be repaired again; 0 when it may be now. */
  waitMs(object: string, now: Date): number;
  /** To be told of each repair. */
  repaired(object: string, now: Date): void;
}

/** Damage is repaired at once this often; after that each wait is twice the one before. */
const FREE_REPAIRS = 20;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 5 * 60_000;
/** An object that was left alone for this long has no fight about it. */
const FORGET_MS = 2 * LONGEST_WAIT_MS;
/** @param remembered of how many objects at the most it is known, the latest ones. */
export function createFights(remembered: number): Fights {
  const fights = new Map<string, { repairs: number; lastAt: number }>();
  return {
    waitMs(object, now) {
      const fight = fights.get(object);
      const sinceMs = fight ? now.getTime() - fight.lastAt : 0;
      // A clock that was set back must not hold a repair back for longer than the wait.
      if (fight === undefined || fight.repairs < FREE_REPAIRS || sinceMs < 0) return 0;
      const waitMs = doubledMs(fight.repairs - FREE_REPAIRS + 1, {
        firstMs: FIRST_WAIT_MS,
        longestMs: LONGEST_WAIT_MS,
      });
      return Math.max(0, waitMs - sinceMs);
    },
    repaired(object, now) {
      const fight = fights.get(object);
      const isGoingOn = fight !== undefined && now.getTime() - fight.lastAt < FORGET_MS;
      fights.delete(object);
      fights.set(object, { repairs: isGoingOn ? fight.repairs + 1 : 1, lastAt: now.getTime() });
      const [oldest] = fights.keys();
      if (fights.size > remembered && oldest !== undefined) fights.delete(oldest);
    },
  };
}
