import { promisedMs } from '../promised-ms.ts';

/**
 * The outcome of the CREATE of a Job: `mutated` (capped), `unmutated` (stored as it was sent) or `lost` (the request
 * failed).
 */
export type AdmissionOutcome = 'mutated' | 'unmutated' | 'lost';

export interface AdmissionRequest {
  readonly name: string;
  readonly sentAt: Date;
  readonly answeredAt: Date;
  readonly outcome: AdmissionOutcome;
  /** Index of the API server that was called. */
  readonly via: number;
  /** Description of the failure; empty if there was none. */
  readonly detail: string;
}

export interface OutcomeCounts {
  readonly sent: number;
  readonly lost: number;
  readonly unmutated: number;
  /** The longest time in ms without a capped Job in a response. */
  readonly longestGapMs: number;
}

export function countOutcomes(requests: readonly AdmissionRequest[]): OutcomeCounts {
  const count = (outcome: AdmissionOutcome) => requests.filter((request) => request.outcome === outcome).length;
  return {
    sent: requests.length,
    lost: count('lost'),
    unmutated: count('unmutated'),
    longestGapMs: longestGapMs(requests),
  };
}

/** A loop instead of `Math.max(...)`: hours of requests are too many arguments for one call. */
function longestGapMs(requests: readonly AdmissionRequest[]): number {
  const start = requests.reduce(
    (earliest, { sentAt }) => Math.min(earliest, sentAt.getTime()),
    Number.POSITIVE_INFINITY,
  );
  const end = requests.reduce((latest, { answeredAt }) => Math.max(latest, answeredAt.getTime()), 0);
  const good = requests.filter(({ outcome }) => outcome === 'mutated').map(({ answeredAt }) => answeredAt.getTime());
  let [longest, before] = [0, start];
  for (const moment of [...good.sort((a, b) => a - b), end]) {
    longest = Math.max(longest, moment - before);
    before = moment;
  }
  return longest;
}

export interface FailuresByCause {
  /**
   * Failed requests that were in flight when a process was killed. The API server does not retry a call after a
   * connection reset.
   */
  readonly inFlightAtKill: readonly AdmissionRequest[];
  readonly others: readonly AdmissionRequest[];
}

/** A time span with start and end. */
export interface Span {
  readonly from: Date;
  readonly to: Date;
}

/** Time in ms until callers notice the end of a process, because its connections end one after another. */
const KNOWN_MS = promisedMs(50);

/**
 * Kills a process and returns the time span in which calls can have failed because of it: from the signal until the
 * callers notice.
 *
 * @param end kills the process and resolves when it has ended.
 */
export async function timeKill(end: () => Promise<unknown>): Promise<Span> {
  const from = new Date();
  await end();
  return { from, to: new Date(Date.now() + KNOWN_MS) };
}

/** Separates failed requests that were in flight during a kill from all other failed requests. */
export function splitAtKill(requests: readonly AdmissionRequest[], kills: readonly Span[]): FailuresByCause {
  const wasInFlight = ({ sentAt, answeredAt }: AdmissionRequest) =>
    kills.some(({ from, to }) => sentAt <= to && answeredAt >= from);
  const failed = requests.filter(hasFailed);
  return {
    inFlightAtKill: failed.filter(wasInFlight),
    others: failed.filter((request) => !wasInFlight(request)),
  };
}

/**
 * Returns the time in ms from `since` until Jobs were capped again. It ends with the response to the first capped Job
 * that was sent after the last failed request. Returns 0 if no request failed after `since`, and Infinity if no later
 * Job was capped.
 */
export function mutatedAgain(requests: readonly AdmissionRequest[], since: Date): number {
  const inOrder = requests.toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime());
  const lastFailed = inOrder.findLast((request) => hasFailed(request) && request.answeredAt >= since);
  if (lastFailed === undefined) return 0;
  const healed = inOrder.find(({ sentAt, outcome }) => outcome === 'mutated' && sentAt > lastFailed.sentAt);
  return healed === undefined ? Number.POSITIVE_INFINITY : healed.answeredAt.getTime() - since.getTime();
}

const hasFailed = ({ outcome }: AdmissionRequest): boolean => outcome !== 'mutated';
