import { isDeepStrictEqual } from 'node:util';
import { areSound, type MatchCondition } from './policy-cel.ts';

/** Longer than a kubelet takes to bring a changed ConfigMap into every Pod. */
const YIELD_MS = 180_000;
const LONGEST_YIELD_MS = 60 * 60_000;
/** A file that comes to one replica this much later than to another one may be late; one that does again and again is not. */
const ORDINARY_RETURNS = 1;

/**
 * Whose match conditions stand in the registration while replicas have different policies.
 *
 * A changed ConfigMap reaches the replicas up to minutes apart. Who has just read a policy publishes it, once; the
 * others find conditions that a daemon has written, and leave them until their own file has changed too. Without that
 * they would undo each other's all that time. Conditions that no daemon has written are replaced at once. Where two
 * policies last, each leaves the other's in force for twice as long as the time before, up to an hour.
 */
export interface PolicyTurns {
  choose(own: readonly MatchCondition[], live: readonly MatchCondition[] | undefined, now: Date): Turn;
  /** What was written as the live conditions, or found there. */
  published(conditions: readonly MatchCondition[]): void;
}

export interface Turn {
  /** To be written. */
  readonly conditions: readonly MatchCondition[];
  /** `return`: our own again, after another replica's were left in force for long enough. */
  readonly kind: 'own' | 'yield' | 'return';
  /** Two replicas keep to different policies; each leaves the other's in force for this long, in milliseconds. */
  readonly fightMs?: number;
}

export function createPolicyTurns(): PolicyTurns {
  let lastPublished: readonly MatchCondition[] | undefined;
  let otherSinceMs: number | undefined;
  let returns = 0;
  const isOther = (own: readonly MatchCondition[], live: readonly MatchCondition[]) =>
    areSound(live) && !isDeepStrictEqual(conditionsOf(live), conditionsOf(own));
  const yieldMs = () => Math.min(YIELD_MS * 2 ** returns, LONGEST_YIELD_MS);

  return {
    choose(own, live, now) {
      const isOldNews = isDeepStrictEqual(lastPublished, conditionsOf(own));
      if (!isOldNews) returns = 0;
      if (live === undefined || !isOther(own, live) || !isOldNews) {
        otherSinceMs = undefined;
        return { conditions: own, kind: 'own' };
      }
      otherSinceMs ??= now.getTime();
      const sinceMs = now.getTime() - otherSinceMs;
      if (sinceMs >= 0 && sinceMs < yieldMs()) return { conditions: conditionsOf(live), kind: 'yield' };
      otherSinceMs = undefined;
      returns += 1;
      return { conditions: own, kind: 'return', ...(returns > ORDINARY_RETURNS ? { fightMs: yieldMs() } : {}) };
    },
    published(conditions) {
      lastPublished = conditionsOf(conditions);
    },
  };
}

/** Without the client's classes. */
const conditionsOf = (conditions: readonly MatchCondition[]): MatchCondition[] =>
  conditions.map(({ name, expression }) => ({ name, expression }));
