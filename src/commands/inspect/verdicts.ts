/** Verdicts and exit codes. Code 2 is reserved for usage errors. */
export const verdicts = {
  healthy: { exitCode: 0, meaning: 'all was looked at, the endpoint was called, and nothing is wrong' },
  unhealthy: { exitCode: 1, meaning: 'something is wrong' },
  incomplete: { exitCode: 3, meaning: 'nothing wrong was seen, but the endpoint was not called' },
} as const;

export type InspectionVerdict = keyof typeof verdicts;
