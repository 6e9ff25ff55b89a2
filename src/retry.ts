import pRetry from 'p-retry';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';

/**
 * Calls `attempt` until it succeeds, for as long as it fails with what passes by itself. Waits 0.2 s at first and 30 s
 * at the most, with jitter, so that replicas which failed together do not come back together.
 *
 * @throws what `attempt` throws that is not retryable, and the signal's reason once that is aborted.
 */
export function withRetries<T>(
  attempt: () => Promise<T>,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<T> {
  return pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 200,
    maxTimeout: 30_000,
    randomize: true,
    signal,
    shouldRetry: ({ error, attemptNumber, retryDelay }) => {
      const isRetried = error instanceof OperatorError && error.retryable;
      if (isRetried) log.warn('will try again', { attempt: attemptNumber, delayMs: retryDelay, ...errorFields(error) });
      return isRetried;
    },
  });
}
