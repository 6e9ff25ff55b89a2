import { exponentialBackoffMs } from '../lib/backoff.ts';
import { errorFields, type OperatorError } from '../lib/errors.ts';
import { retryPolicies } from '../lib/retry-policy.ts';

/** How to go on after a failure of a watch. */
export interface WatchPause {
  /** Failures in a row. */
  readonly failures: number;
  readonly pauseMs: number;
  /** The fields of a warning, for a failure that was not logged since the watch last worked. */
  readonly logFields: object | undefined;
}

/** Counts the failures of a watch. */
export interface WatchBackoff {
  reset(): void;
  /** @param error absent if the watch ended by itself, but too early. */
  onFailure(error: OperatorError | undefined): WatchPause;
}

/** An API server that shuts down ends its watches, and a proxy may do so once more: only the third early end is logged. */
const LOGGED_EARLY_END = 3;

export function createWatchBackoff(): WatchBackoff {
  const { firstMs, longestMs, forbiddenTries, longestForbiddenMs } = retryPolicies.watch;
  const times = new Map<string | undefined, number>();
  let inARow = 0;
  return {
    reset() {
      times.clear();
      inARow = 0;
    },
    onFailure(error) {
      const timesOfCode = (times.get(error?.code) ?? 0) + 1;
      times.set(error?.code, timesOfCode);
      // Another kind of failure is another state of the API server, which may have just come back: start with a short pause.
      inARow = timesOfCode === 1 ? 1 : inARow + 1;
      const isLasting = error?.code === 'KUBE_FORBIDDEN' && inARow > forbiddenTries;
      const pauseMs = exponentialBackoffMs(inARow, { firstMs, longestMs: isLasting ? longestForbiddenMs : longestMs });
      return { failures: inARow, pauseMs, logFields: logFieldsOf(error, timesOfCode) };
    },
  };
}

function logFieldsOf(error: OperatorError | undefined, times: number): object | undefined {
  if (error) return times === 1 ? errorFields(error) : undefined;
  return times === LOGGED_EARLY_END ? { error: 'it ends as soon as it has begun' } : undefined;
}
