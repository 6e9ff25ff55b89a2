/**
 * Returns a promised time in ms for an assertion. The gate sets TIME_BOUNDS=wide and allows ten times as much, because
 * a shared machine can be slow for a minute. The lifecycle table and the benchmark check the promised time itself.
 */
export const promisedMs = (ms: number): number => (process.env.TIME_BOUNDS === 'wide' ? 10 * ms : ms);
