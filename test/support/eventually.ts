import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 10;
/** Default time limit of `eventually`. It is long, because a shared machine can be slow for a minute. */
const PATIENCE_MS = 120_000;

/**
 * Calls `check` until it does not throw, and returns its result.
 *
 * @throws the last error of `check` when the time is up.
 */
export async function eventually<T>(check: () => T | Promise<T>, { withinMs = PATIENCE_MS } = {}): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await delay(PAUSE_MS);
  }
}

/** Returns the result of a promise that should settle soon; rejects if it does not. */
export function promptly<T>(promise: Promise<T>, { withinMs = PATIENCE_MS } = {}): Promise<T> {
  const late = async (): Promise<never> => {
    await delay(withinMs, undefined, { ref: false });
    throw new Error(`not done after ${withinMs} ms`);
  };
  return Promise.race([promise, late()]);
}
