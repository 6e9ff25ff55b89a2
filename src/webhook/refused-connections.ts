import type { Log } from '../lib/log.ts';
import { countPerMinute } from '../lib/log-once.ts';
import { truncate } from '../lib/text.ts';

/** Why a connection is refused or closed. */
export const connectionReasons = ['too-many-connections', 'client-refused'] as const;

export type ConnectionReason = (typeof connectionReasons)[number];

/** Called for each connection that the server refuses or closes. */
export type Refused = (reason: ConnectionReason, error: string) => void;

/**
 * Returns a function that logs each reason at most once a minute, with the number of connections since the last log
 * line.
 */
export function logRefused({ warn }: Pick<Log, 'warn'>): Refused {
  const countOf = countPerMinute<ConnectionReason>();
  return (reason, error) => {
    const count = countOf(reason);
    if (count !== undefined) warn('connection refused', { reason, count, error: truncate(error) });
  };
}

/**
 * Returns a function that logs each message as a warning at most once a minute, with the number of its occurrences
 * since the last warning. It logs the other occurrences at `debug`.
 */
export function warnQuietly({ warn, debug }: Pick<Log, 'warn' | 'debug'>): (message: string, fields: object) => void {
  const countOf = countPerMinute<string>();
  return (message, fields) => {
    const count = countOf(message);
    if (count === undefined) debug(message, fields);
    else warn(message, { ...fields, count });
  };
}
