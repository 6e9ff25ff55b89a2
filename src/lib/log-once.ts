import type { Log } from './log.ts';

export type OutageLog = ReturnType<typeof logOncePerOutage>;

const QUIET_MS = 60_000;

/**
 * Logs the first failure of an outage as a warning, and further failures at `debug` until `recovered` is called. A new
 * outage with the same message gets a warning only if the last warning is at least a minute old. So calls that fail and
 * succeed by turns cause at most one warning a minute.
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
 * Returns a function that counts its calls for each key. At most once a minute for a key, a call returns the number of
 * calls since the last returned number. All other calls return `undefined`. Limits log messages that a client could
 * cause without limit.
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
