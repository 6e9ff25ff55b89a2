import { exponentialBackoffMs } from '../lib/backoff.ts';
import { timings } from '../lib/timings.ts';

/** The input of `nextResyncMs`. */
export interface ResyncInputs {
  /** When the next step is due, as the last pass computed it. */
  readonly until: Date | undefined;
  readonly now: Date;
  /** Number of passes that failed in a row. */
  readonly failures: number;
  /** Whether the certificates are files: file systems do not report every change, so resyncs are more frequent. */
  readonly isFromFiles: boolean;
  /** The settle time of a CA rotation. */
  readonly settleMs: number;
  /** Whether API servers cannot call this replica yet. */
  readonly isStarting: boolean;
}

const { firstMs, longestMs, longestForFilesMs, longestAtStartMs } = timings.reconcile;
/** The shortest pause after a successful pass. The pass has tried each step that is due, so an immediate pass would only loop. */
const SHORTEST_MS = 100;

/**
 * Returns the milliseconds until the next resync. Pure.
 *
 * The longest pause is half of the settle time: a replica that has missed the watch event of a switch must present a
 * certificate of the new CA before the old CA leaves the CA bundle.
 */
export function nextResyncMs({ until, now, failures, isFromFiles, settleMs, isStarting }: ResyncInputs): number {
  const resyncMs = isFromFiles ? longestForFilesMs : Math.min(longestMs, settleMs / 2);
  const longestBackoffMs = isStarting ? longestAtStartMs : Math.max(resyncMs, longestAtStartMs);
  if (failures > 0) return exponentialBackoffMs(failures, { firstMs, longestMs: longestBackoffMs });
  const dueMs = until === undefined ? resyncMs : until.getTime() - now.getTime();
  return Math.min(Math.max(dueMs, SHORTEST_MS), resyncMs);
}
