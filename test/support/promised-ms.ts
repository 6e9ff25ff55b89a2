/**
 * Returns the limit for an assertion about a time that the daemon must keep. With TIME_BOUNDS=wide, which `.ci/run`
 * sets, the limit is ten times the time, because a shared machine can be slow for a minute.
 */
export const promisedMs = (ms: number): number => (process.env.TIME_BOUNDS === 'wide' ? 10 * ms : ms);
