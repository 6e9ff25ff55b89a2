/**
 * A promise in time, for an assertion. Here it is as it was promised; the gate sets TIME_BOUNDS=wide and allows ten times
 * as much, because a shared machine may be slow for a minute. The lifecycle table and the benchmark hold the promise.
 */
export const promisedMs = (ms: number): number => (process.env.TIME_BOUNDS === 'wide' ? 10 * ms : ms);
