import type { Log } from '../log.ts';
import { shortened } from './shortened.ts';

/** Why a connection is refused or cut off. */
export const connectionReasons = ['too-many-connections', 'client-refused'] as const;

export type ConnectionReason = (typeof connectionReasons)[number];

/** Told of each connection that is refused or cut off. */
export type Refused = (reason: ConnectionReason, error: string) => void;

const QUIET_MS = 60_000;

/** Logs a reason once a minute at the most, with how many there were: whoever floods the endpoint must not flood the log. */
export function logRefused({ warn }: Pick<Log, 'warn'>): Refused {
  const told = new Map<ConnectionReason, { atMs: number; count: number }>();
  return (reason, error) => {
    const before = told.get(reason) ?? { atMs: Number.NEGATIVE_INFINITY, count: 0 };
    const count = before.count + 1;
    const nowMs = performance.now();
    const isQuiet = nowMs - before.atMs < QUIET_MS;
    told.set(reason, isQuiet ? { ...before, count } : { atMs: nowMs, count: 0 });
    if (!isQuiet) warn('connection refused', { reason, count, error: shortened(error) });
  };
}
