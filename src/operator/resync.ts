import { exponentialBackoffMs } from '../lib/backoff.ts';

/** What the next look at everything depends on. */
export interface Outlook {
  /** When the next step is due, as the last look has found. */
  readonly until: Date | undefined;
  readonly now: Date;
  /** How many looks have failed since the last one that did not. */
  readonly failures: number;
  /** Whether the certificates are files, whose changes are not always reported. */
  readonly isFromFiles: boolean;
}

/** Wall-clock checks are this often: no timer is ever longer, so a clock that jumps is noticed. */
const RESYNC_MS = 60_000;
const FILES_RESYNC_MS = 10_000;
const FIRST_RETRY_MS = 250;
/** What is due at this moment has just been tried. */
const SHORTEST_MS = 100;

/** Milliseconds until everything is looked at again, if nothing wakes the daemon before. */
export function nextLookMs({ until, now, failures, isFromFiles }: Outlook): number {
  const resyncMs = isFromFiles ? FILES_RESYNC_MS : RESYNC_MS;
  if (failures > 0) return exponentialBackoffMs(failures, { firstMs: FIRST_RETRY_MS, longestMs: resyncMs });
  const dueMs = until === undefined ? resyncMs : until.getTime() - now.getTime();
  return Math.min(Math.max(dueMs, SHORTEST_MS), resyncMs);
}
