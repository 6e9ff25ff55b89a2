import { type BackoffRange, exponentialBackoffMs } from './backoff.ts';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';
import { retryPolicies } from './retry-policy.ts';
import { untilAborted } from './until-aborted.ts';

interface RetryOptions {
  readonly backoff: BackoffRange;
  readonly signal: AbortSignal;
  /** Called after each failure; without `true` the failure is thrown. */
  readonly isRetried: (error: OperatorError, failures: number, delayMs: number) => boolean;
}

/** Waits between half and all of the backoff, so that replicas which failed together do not come back together. */
async function retry<T>(attempt: () => Promise<T>, { backoff, signal, isRetried }: RetryOptions): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      const delayMs = Math.round(exponentialBackoffMs(failures, backoff) * (0.5 + Math.random() / 2));
      if (!(error instanceof OperatorError) || !isRetried(error, failures, delayMs)) throw error;
      await pause(delayMs, signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await untilAborted(promise, signal);
  clearTimeout(timer);
}

/**
 * Calls `attempt` until it succeeds or fails with an error that no retry can fix. Missing rights are such an error once they
 * have lasted for `forbiddenMs`.
 *
 * @throws what `attempt` throws; the signal's reason once that is aborted.
 */
export function withRetries<T>(
  attempt: () => Promise<T>,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<T> {
  // Counted from the first refusal of a series, because the API server may have been unavailable for long before.
  let forbiddenSinceMs: number | undefined;
  function mayPass(error: OperatorError): boolean {
    if (error.code !== 'KUBE_FORBIDDEN') forbiddenSinceMs = undefined;
    else forbiddenSinceMs ??= performance.now();
    if (forbiddenSinceMs === undefined) return error.retryable;
    return performance.now() - forbiddenSinceMs < retryPolicies.start.forbiddenMs;
  }
  return retry(attempt, {
    backoff: retryPolicies.start,
    signal,
    isRetried(error, failures, delayMs) {
      if (!mayPass(error)) return false;
      log.warn('will try again', { attempt: failures, delayMs, ...errorFields(error) });
      return true;
    },
  });
}

/** Calls `attempt` a few times, as long as it fails with an error that may pass by itself. */
export const withFewRetries = <T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> =>
  retry(attempt, {
    backoff: retryPolicies.jobEvent,
    signal,
    isRetried: (error, failures) => error.retryable && failures < retryPolicies.jobEvent.tries,
  });
