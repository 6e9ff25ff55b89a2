import { errorFields, type OperatorError } from './errors.ts';

export interface BackoffRange {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Milliseconds to wait after so many failures in a row: 0 after none, `firstMs` after one, then twice as long each time. */
export const exponentialBackoffMs = (failures: number, { firstMs, longestMs }: BackoffRange): number =>
  failures === 0 ? 0 : Math.min(firstMs * 2 ** (failures - 1), longestMs);

/** The previous name, for callers that are not renamed yet. */
export const doubledMs = exponentialBackoffMs;

/** How to go on after a watch, or a list before it, has ended. */
export interface Pause {
  readonly pauseMs: number;
  /** What to tell people, where it was not told since it last went well. */
  readonly news?: object;
}

/** Counts how often in a row it went wrong. */
export interface Failures {
  none(): Pause;
  /** @param error absent where it ended by itself, but too early. */
  more(error: OperatorError | undefined): Pause;
}

const FIRST_MS = 100;
const LONGEST_MS = 5_000;
/** An API server that has just started refuses everybody until it has read its roles: half a minute of tries. */
const PASSING_REFUSALS = 10;
/** One that goes away closes its watches, and a proxy may do so once more. */
const EARLY_ENDS = 3;

/** @param forbiddenMs how long to wait where rights are missing: they do not come back by themselves. */
export function createFailures(forbiddenMs: number): Failures {
  const times = new Map<string | undefined, number>();
  let inARow = 0;
  return {
    none() {
      times.clear();
      inARow = 0;
      return { pauseMs: 0 };
    },
    more(error) {
      const ofItsKind = (times.get(error?.code) ?? 0) + 1;
      times.set(error?.code, ofItsKind);
      // Another kind of failure is another state of the API server: one that has just come back must not wait long.
      inARow = ofItsKind === 1 ? 1 : inARow + 1;
      const isLasting = error?.code === 'KUBE_FORBIDDEN' && inARow > PASSING_REFUSALS;
      const pauseMs = doubledMs(inARow, { firstMs: FIRST_MS, longestMs: isLasting ? forbiddenMs : LONGEST_MS });
      const news = newsOf(error, ofItsKind);
      return news ? { pauseMs, news } : { pauseMs };
    },
  };
}

function newsOf(error: OperatorError | undefined, times: number): object | undefined {
  if (error) return times === 1 ? errorFields(error) : undefined;
  return times === EARLY_ENDS ? endedEarly : undefined;
}

const endedEarly = { error: 'it ends as soon as it has begun' };
