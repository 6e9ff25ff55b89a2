import { isDeepStrictEqual } from 'node:util';
import type { Terms } from './terms.ts';

/** Longer than a kubelet takes to bring a changed ConfigMap into every Pod, and than most rollouts. */
const YIELD_MS = 180_000;
const LONGEST_YIELD_MS = 60 * 60_000;
/** What comes to one replica this much later than to another one may be late; one that does again and again is not. */
const ORDINARY_RETURNS = 1;

/**
 * Whose terms stand in the registration while replicas have different ones.
 *
 * A changed ConfigMap reaches the replicas up to minutes apart, and in a rollout old and new ones live side by side.
 * Who has just read its terms publishes them, once; the others find terms that a daemon has written, and leave them
 * until their own have changed too. Without that they would undo each other's all that time. What no daemon has
 * written is replaced at once. Where two terms last, each leaves the other's in force for twice as long as the time
 * before, up to an hour.
 */
export interface Turns {
  /** @param other what another replica has written, where that stands in the registration. */
  choose(own: Terms, other: Terms | undefined, now: Date): Turn;
  /** Our own terms were written, or found there. */
  published(own: Terms): void;
}

export interface Turn {
  /** `return`: our own again, after another replica's were left in force for long enough. */
  readonly kind: 'own' | 'yield' | 'return';
  /** Two replicas keep to different terms; each leaves the other's in force for this long, in milliseconds. */
  readonly fightMs?: number;
}

export function createTurns(): Turns {
  let lastPublished: Terms | undefined;
  let otherSinceMs: number | undefined;
  let returns = 0;
  const yieldMs = () => Math.min(YIELD_MS * 2 ** returns, LONGEST_YIELD_MS);

  return {
    choose(own, other, now) {
      const isOldNews = isDeepStrictEqual(lastPublished, own);
      if (!isOldNews) returns = 0;
      if (other === undefined || !isOldNews) {
        otherSinceMs = undefined;
        return { kind: 'own' };
      }
      otherSinceMs ??= now.getTime();
      const sinceMs = now.getTime() - otherSinceMs;
      if (sinceMs >= 0 && sinceMs < yieldMs()) return { kind: 'yield' };
      otherSinceMs = undefined;
      returns += 1;
      return { kind: 'return', ...(returns > ORDINARY_RETURNS ? { fightMs: yieldMs() } : {}) };
    },
    published(own) {
      lastPublished = own;
    },
  };
}
