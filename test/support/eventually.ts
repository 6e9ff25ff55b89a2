import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 10;

/**
 * Asks until `check` no longer throws, and answers what it answered.
 *
 * @throws what `check` threw last, once the time is up.
 */
export async function eventually<T>(check: () => T | Promise<T>, { withinMs = 5_000 } = {}): Promise<T> {
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
