import { exponentialBackoffMs } from '../lib/backoff.ts';
import { errorFields, type OperatorError } from '../lib/errors.ts';
import { timings } from '../lib/timings.ts';

/**
 * Only the third early end in a row is logged, because two are normal: an API server that shuts down ends its watches,
 * and a proxy can end them once more.
 */
const LOGGED_EARLY_END = 3;

/** Counts the failures of a watch since it last worked. */
export function createWatchBackoff() {
  const { firstMs, longestMs, forbiddenTries, longestForbiddenMs } = timings.watch;
  const times = new Map<string | undefined, number>();
  let failures = 0;
  return {
    reset(): void {
      times.clear();
      failures = 0;
    },
    /**
     * Returns the failures in a row, the pause, and the fields of a warning if this failure must be logged.
     *
     * @param error absent if the watch ended early without an error, or if the list expired between two pages.
     */
    onFailure(error: OperatorError | undefined) {
      const code = error?.code;
      const timesOfCode = (times.get(code) ?? 0) + 1;
      times.set(code, timesOfCode);
      // A new error code suggests that the state of the API server has changed, so the pause starts short again.
      failures = timesOfCode === 1 ? 1 : failures + 1;
      const isLasting = code === 'KUBE_FORBIDDEN' && failures > forbiddenTries;
      const pauseMs = exponentialBackoffMs(failures, {
        firstMs,
        longestMs: isLasting ? longestForbiddenMs : longestMs,
      });
      const isLogged = timesOfCode === (error ? 1 : LOGGED_EARLY_END);
      return { failures, pauseMs, logFields: isLogged ? logFieldsOf(error) : undefined };
    },
  };
}

const logFieldsOf = (error: OperatorError | undefined): object =>
  error ? errorFields(error) : { error: 'the watch ended within a second, or the list expired' };
