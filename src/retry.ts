import pRetry from 'p-retry';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';

/** An API server that has just started refuses everybody until it has read its roles. */
const FORBIDDEN_PASSES_MS = 15_000;

/**
 * Calls `attempt` until it succeeds, for as long as it fails with what passes by itself; missing rights are taken for
 * that during the first 15 s. Waits 0.2 s at first and 30 s
 * at the most, with jitter, so that replicas which failed together do not come back together.
 *
 * @throws what `attempt` throws that is not retryable, and the signal's reason once that is aborted.
 */
export function withRetries<T>(
  attempt: () => Promise<T>,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<T> {
  const startMs = performance.now();
  const isPassing = (error: OperatorError) =>
    error.retryable || (error.code === 'KUBE_FORBIDDEN' && performance.now() - startMs < FORBIDDEN_PASSES_MS);
  return pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 200,
    maxTimeout: 30_000,
    randomize: true,
    signal,
    shouldRetry: ({ error, attemptNumber, retryDelay }) => {
      const isRetried = error instanceof OperatorError && isPassing(error);
      if (isRetried) log.warn('will try again', { attempt: attemptNumber, delayMs: retryDelay, ...errorFields(error) });
      return isRetried;
    },
  });
}

/** Calls `attempt` six times at the most, for a minute or less, as long as it fails with what passes by itself. */
export function withFewRetries<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return pRetry(attempt, {
    retries: 5,
    minTimeout: 1_000,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => error instanceof OperatorError && error.retryable,
  });
}
