import type { Log } from '../lib/log.ts';
import { shortened } from '../lib/truncate.ts';

/** Why a connection is refused or cut off. */
export const connectionReasons = ['too-many-connections', 'client-refused'] as const;

export type ConnectionReason = (typeof connectionReasons)[number];

/** Told of each connection that is refused or cut off. */
export type Refused = (reason: ConnectionReason, error: string) => void;

const QUIET_MS = 60_000;

/** Logs a reason once a minute at the most, with how many there were. */
export function logRefused({ warn }: Pick<Log, 'warn'>): Refused {
  const countOf = onceAMinute<ConnectionReason>();
  return (reason, error) => {
    const count = countOf(reason);
    if (count !== undefined) warn('connection refused', { reason, count, error: shortened(error) });
  };
}

/** Logs a message as a warning once a minute at the most, with how many there were. The log has all of them at `debug`. */
export function warnQuietly({ warn, debug }: Pick<Log, 'warn' | 'debug'>): (message: string, fields: object) => void {
  const countOf = onceAMinute<string>();
  return (message, fields) => {
    const count = countOf(message);
    if (count === undefined) debug(message, fields);
    else warn(message, { ...fields, count });
  };
}

/**
 * Answers how often each word has come since it was told last, and nothing where that was within the minute: whoever floods the
 * endpoint must not flood the log.
 */
function onceAMinute<Word>(): (word: Word) => number | undefined {
  const told = new Map<Word, { readonly atMs: number; readonly count: number }>();
  return (word) => {
    const before = told.get(word) ?? { atMs: Number.NEGATIVE_INFINITY, count: 0 };
    const count = before.count + 1;
    const nowMs = performance.now();
    const isQuiet = nowMs - before.atMs < QUIET_MS;
    told.set(word, isQuiet ? { ...before, count } : { atMs: nowMs, count: 0 });
    return isQuiet ? undefined : count;
  };
}
