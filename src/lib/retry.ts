import pRetry from 'p-retry';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';

/** An API server that has just started refuses everybody until it has read its roles. */
const FORBIDDEN_PASSES_MS = 15_000;

/**
 * Calls `attempt` until it succeeds, for as long as it fails with what passes by itself; missing rights are taken for
 * that until it was refused for 15 s in a row. Waits 0.2 to 0.4 s at first, then longer and longer, with jitter, so that replicas
 * which failed together do not come back together, and 5 s at the most: Jobs slip by until one is ready.
 *
 * @throws what `attempt` throws that is not retryable, and the signal's reason once that is aborted.
 */
export function withRetries<T>(
  attempt: () => Promise<T>,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<T> {
  // Not since the start: it may have been down for long before it came back and refused.
  let refusedSinceMs: number | undefined;
  const isPassing = (error: OperatorError) => {
    if (error.code !== 'KUBE_FORBIDDEN') refusedSinceMs = undefined;
    else refusedSinceMs ??= performance.now();
    return (
      error.retryable || (refusedSinceMs !== undefined && performance.now() - refusedSinceMs < FORBIDDEN_PASSES_MS)
    );
  };
  return pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 200,
    maxTimeout: 5_000,
    randomize: true,
    signal,
    shouldRetry: ({ error, attemptNumber, retryDelay }) => {
      const isRetried = error instanceof OperatorError && isPassing(error);
      if (isRetried) log.warn('will try again', { attempt: attemptNumber, delayMs: retryDelay, ...errorFields(error) });
      return isRetried;
    },
  });
}

/** Calls `attempt` six times at the most, with half a minute to a minute between them in all, as long as it fails with what passes by itself. */
export function withFewRetries<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return pRetry(attempt, {
    retries: 5,
    minTimeout: 1_000,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => error instanceof OperatorError && error.retryable,
  });
}
