import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 10;
/** Ten times what any of it takes: a shared machine may be slow for a minute. */
const PATIENCE_MS = 50_000;

/**
 * Asks until `check` no longer throws, and answers what it answered.
 *
 * @throws what `check` threw last, once the time is up.
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

/** Waits for what should be done by now; rejects where it is not. */
export function promptly<T>(promise: Promise<T>, { withinMs = PATIENCE_MS } = {}): Promise<T> {
  const late = async (): Promise<never> => {
    await delay(withinMs, undefined, { ref: false });
    throw new Error(`not done after ${withinMs} ms`);
  };
  return Promise.race([promise, late()]);
}
