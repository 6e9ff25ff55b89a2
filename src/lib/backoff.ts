interface BackoffRange {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Milliseconds to wait after so many failures in a row: 0 after none, `firstMs` after one, then twice as long each time. */
export const exponentialBackoffMs = (failures: number, { firstMs, longestMs }: BackoffRange): number =>
  failures === 0 ? 0 : Math.min(firstMs * 2 ** (failures - 1), longestMs);
