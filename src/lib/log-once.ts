import type { Log } from './log.ts';

export type OutageLog = ReturnType<typeof logOncePerOutage>;

const QUIET_MS = 60_000;

/**
 * Logs the first failure of an outage as a warning, and further failures at `debug` until `recovered` is called. The
 * next warning with the same message comes a minute later at the earliest, because some calls can fail while others
 * succeed.
 *
 * @param uptimeMs milliseconds of a monotonic clock.
 */
export function logOncePerOutage(log: Pick<Log, 'warn' | 'debug'>, uptimeMs = () => performance.now()) {
  const outages = new Map<string, { readonly warnedAtMs: number; isOver: boolean }>();
  return {
    failed(message: string, fields: object): void {
      const nowMs = uptimeMs();
      const last = outages.get(message);
      const isNew = last === undefined || (last.isOver && nowMs - last.warnedAtMs >= QUIET_MS);
      if (isNew) outages.set(message, { warnedAtMs: nowMs, isOver: false });
      log[isNew ? 'warn' : 'debug'](message, fields);
    },
    recovered(message: string): void {
      const outage = outages.get(message);
      if (outage) outage.isOver = true;
    },
  };
}

/**
 * Returns a function that counts its calls for each key. It returns the number of calls since its last result, at most
 * once a minute for each key, and `undefined` otherwise. For messages that a client can cause without limit.
 */
export function countPerMinute<Key>(): (key: Key) => number | undefined {
  const counts = new Map<Key, { readonly reportedAtMs: number; readonly count: number }>();
  return (key) => {
    const { reportedAtMs, count } = counts.get(key) ?? { reportedAtMs: Number.NEGATIVE_INFINITY, count: 0 };
    const nowMs = performance.now();
    const isQuiet = nowMs - reportedAtMs < QUIET_MS;
    counts.set(key, isQuiet ? { reportedAtMs, count: count + 1 } : { reportedAtMs: nowMs, count: 0 });
    return isQuiet ? undefined : count + 1;
  };
}
