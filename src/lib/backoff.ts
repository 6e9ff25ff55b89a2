interface BackoffRange {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * Returns the milliseconds to wait after a number of failures in a row: 0 after none, `firstMs` after one, then doubled
 * each time up to `longestMs`.
 */
export const exponentialBackoffMs = (failures: number, { firstMs, longestMs }: BackoffRange): number =>
  failures === 0 ? 0 : Math.min(firstMs * 2 ** (failures - 1), longestMs);
