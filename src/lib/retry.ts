import { setTimeout as delay } from 'node:timers/promises';
import { exponentialBackoffMs } from './backoff.ts';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';
import { timings } from './timings.ts';

/**
 * Calls `attempt` until it succeeds or fails with an error that no retry can fix. Missing rights become such an error
 * after `forbiddenMs`.
 *
 * @throws the last error of `attempt`; after an abort, the reason of the signal.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<T> {
  // Counted from the first refusal of a series, because the API server may have been unavailable for long before.
  let forbiddenSinceMs: number | undefined;
  function mayPass(error: OperatorError): boolean {
    if (error.code !== 'KUBE_FORBIDDEN') forbiddenSinceMs = undefined;
    else forbiddenSinceMs ??= performance.now();
    if (forbiddenSinceMs === undefined) return error.retryable;
    return performance.now() - forbiddenSinceMs < timings.start.forbiddenMs;
  }
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof OperatorError) || !mayPass(error)) throw error;
      // A random time between half and all of the backoff, so that replicas that failed together do not retry
      // together.
      const delayMs = Math.round(exponentialBackoffMs(failures, timings.start) * (0.5 + Math.random() / 2));
      log.warn('start failed, will try again', { attempt: failures, delayMs, ...errorFields(error) });
      await delay(delayMs, undefined, { signal }).catch(() => {});
    }
  }
}
