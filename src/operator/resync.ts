import { exponentialBackoffMs } from '../lib/backoff.ts';
import { timings } from '../lib/timings.ts';

/** What the next resync depends on. */
export interface ResyncInputs {
  /** When the next step is due, as the last pass has found. */
  readonly until: Date | undefined;
  readonly now: Date;
  /** How many passes have failed in a row. */
  readonly failures: number;
  /** Whether the certificates are files, whose changes are not always reported. */
  readonly isFromFiles: boolean;
}

const { firstMs, longestMs, longestForFilesMs } = timings.reconcile;
/** A step that is due now was just tried. */
const SHORTEST_MS = 100;

/** Milliseconds until the next pass, if no trigger comes before. */
export function nextResyncMs({ until, now, failures, isFromFiles }: ResyncInputs): number {
  const resyncMs = isFromFiles ? longestForFilesMs : longestMs;
  if (failures > 0) return exponentialBackoffMs(failures, { firstMs, longestMs: resyncMs });
  const dueMs = until === undefined ? resyncMs : until.getTime() - now.getTime();
  return Math.min(Math.max(dueMs, SHORTEST_MS), resyncMs);
}
