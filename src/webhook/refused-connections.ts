import type { Log } from '../lib/log.ts';
import { countPerMinute } from '../lib/log-once.ts';
import { truncate } from '../lib/text.ts';

/** Why a connection is refused or cut off. */
export const connectionReasons = ['too-many-connections', 'client-refused'] as const;

export type ConnectionReason = (typeof connectionReasons)[number];

/** Told of each connection that is refused or cut off. */
export type Refused = (reason: ConnectionReason, error: string) => void;

/** Logs a reason once a minute at the most, with how many there were. */
export function logRefused({ warn }: Pick<Log, 'warn'>): Refused {
  const countOf = countPerMinute<ConnectionReason>();
  return (reason, error) => {
    const count = countOf(reason);
    if (count !== undefined) warn('connection refused', { reason, count, error: truncate(error) });
  };
}

/** Logs a message as a warning once a minute at the most, with how many there were. The log has all of them at `debug`. */
export function warnQuietly({ warn, debug }: Pick<Log, 'warn' | 'debug'>): (message: string, fields: object) => void {
  const countOf = countPerMinute<string>();
  return (message, fields) => {
    const count = countOf(message);
    if (count === undefined) debug(message, fields);
    else warn(message, { ...fields, count });
  };
}
