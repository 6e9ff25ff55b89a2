import { isDeepStrictEqual } from 'node:util';
import type { Terms } from './webhook-spec.ts';

/** Longer than a kubelet takes to bring a changed ConfigMap into every Pod, and than most rollouts. */
const YIELD_MS = 180_000;
/** What comes to one replica this much later than to another one may be late; one that does again and again is not. */
const ORDINARY_RETURNS = 1;
/** Two who take turns return every six minutes each. */
const FORGET_MS = 4 * YIELD_MS;

/**
 * Whose terms stand in the registration while replicas have different ones.
 *
 * A changed ConfigMap reaches the replicas up to minutes apart, and in a rollout old and new ones live side by side.
 * Who has just read its terms publishes them, once; the others find terms that a daemon has written, and leave them
 * for a while, or until their own have changed too. Without that they would undo each other's all that time. What no
 * daemon has written is replaced at once. The wait is always the same: terms whose replicas are gone, as those of a
 * rollout that was undone, must not stay for longer.
 */
export interface Turns {
  /** @param other what another replica has written, where that stands in the registration. */
  choose(own: Terms, other: Terms | undefined, now: Date): Turn;
  /** Our own terms were written, or found there. */
  published(own: Terms, turn: Turn, now: Date): void;
}

export interface Turn {
  /** `return`: our own again, after another replica's were left in force for long enough. */
  readonly kind: 'own' | 'yield' | 'return';
  /** Two replicas keep to different terms; each leaves the other's in force for this long, in milliseconds. */
  readonly fightMs?: number;
}

export function createTurns(): Turns {
  let lastPublished: Terms | undefined;
  let yielded: { readonly to: Terms; readonly sinceMs: number } | undefined;
  let returns = 0;
  let returnedAtMs = Number.NEGATIVE_INFINITY;

  return {
    choose(own, other, now) {
      if (other === undefined || !isDeepStrictEqual(lastPublished, own)) {
        yielded = undefined;
        return { kind: 'own' };
      }
      if (!isDeepStrictEqual(yielded?.to, other)) yielded = { to: other, sinceMs: now.getTime() };
      const sinceMs = now.getTime() - (yielded?.sinceMs ?? 0);
      if (sinceMs >= 0 && sinceMs < YIELD_MS) return { kind: 'yield' };
      const isForgotten = now.getTime() - returnedAtMs > FORGET_MS;
      return { kind: 'return', ...(!isForgotten && returns >= ORDINARY_RETURNS ? { fightMs: YIELD_MS } : {}) };
    },
    published(own, { kind }, now) {
      if (!isDeepStrictEqual(lastPublished, own) || now.getTime() - returnedAtMs > FORGET_MS) returns = 0;
      lastPublished = own;
      if (kind !== 'return') return;
      yielded = undefined;
      returns += 1;
      returnedAtMs = now.getTime();
    },
  };
}
