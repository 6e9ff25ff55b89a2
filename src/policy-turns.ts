import { isDeepStrictEqual } from 'node:util';
import { areSound, type MatchCondition } from './policy-cel.ts';

/** Longer than a kubelet takes to bring a changed ConfigMap into every Pod. */
const YIELD_MS = 180_000;

/**
 * Whose match conditions stand in the registration while replicas have different policies.
 *
 * A changed ConfigMap reaches the replicas up to minutes apart. Who has just read a policy publishes it, once; the
 * others find conditions that a daemon has written, and leave them until their own file has changed too. Without that
 * they would undo each other's all that time. Conditions that no daemon has written are replaced at once.
 */
export interface PolicyTurns {
  /** The conditions to write, given those that are live. */
  choose(
    own: readonly MatchCondition[],
    live: readonly MatchCondition[] | undefined,
    now: Date,
  ): readonly MatchCondition[];
  /** What was found or written as the live conditions. */
  published(conditions: readonly MatchCondition[]): void;
}

export function createPolicyTurns(): PolicyTurns {
  let lastPublished: readonly MatchCondition[] | undefined;
  let otherSinceMs: number | undefined;
  const isOther = (own: readonly MatchCondition[], live: readonly MatchCondition[] | undefined) =>
    live !== undefined && areSound(live) && !isDeepStrictEqual(conditionsOf(live), conditionsOf(own));
  return {
    choose(own, live, now) {
      if (live === undefined || !isOther(own, live)) otherSinceMs = undefined;
      else if (isDeepStrictEqual(lastPublished, conditionsOf(own))) {
        otherSinceMs ??= now.getTime();
        const sinceMs = now.getTime() - otherSinceMs;
        if (sinceMs >= 0 && sinceMs < YIELD_MS) return conditionsOf(live);
        otherSinceMs = undefined;
      }
      return own;
    },
    published(conditions) {
      lastPublished = conditionsOf(conditions);
    },
  };
}

/** Without the client's classes. */
const conditionsOf = (conditions: readonly MatchCondition[]): MatchCondition[] =>
  conditions.map(({ name, expression }) => ({ name, expression }));
