/**
 * What came of the CREATE of a Job: it was capped, it was stored as it was sent, or there was no good answer at all.
 * The last two are what the daemon is there to prevent.
 */
export type AdmissionOutcome = 'mutated' | 'unmutated' | 'lost';

export interface AdmissionRequest {
  readonly name: string;
  readonly sentAt: Date;
  readonly answeredAt: Date;
  readonly outcome: AdmissionOutcome;
  /** Which of the API servers was called. */
  readonly via: number;
  /** What was wrong with it; empty where nothing was. */
  readonly detail: string;
}

export interface OutcomeCounts {
  readonly sent: number;
  readonly lost: number;
  readonly unmutated: number;
  /** The longest time in which no answer with a capped Job came, while there were requests. */
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

/** Nothing is spread into arguments: hours of requests are more than a call takes. */
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
  /** Calls that died with a process. No protocol can save them: the API server does not retry a reset connection. */
  readonly inFlightAtKill: readonly AdmissionRequest[];
  /** All others, which somebody has to answer for. */
  readonly others: readonly AdmissionRequest[];
}

/** A stretch of time, with both of its ends. */
export interface Span {
  readonly from: Date;
  readonly to: Date;
}

/** Until those who call know that a process is gone, whose connections end one after another. */
const KNOWN_MS = 50;

/**
 * Does what kills a process, and answers when calls may have ended with it: from the signal until it is known to be gone. On
 * a busy machine it takes its time to die.
 *
 * @param end resolves once it is gone.
 */
export async function timeKill(end: () => Promise<unknown>): Promise<Span> {
  const from = new Date();
  await end();
  return { from, to: new Date(Date.now() + KNOWN_MS) };
}

/** Separates the failed requests that were in flight during a kill from all other failed ones. */
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
 * How long it took, in ms from `since`, until Jobs were capped for good again: until the answer of the first capped one
 * that was sent after the last that failed. 0 when none has failed, and infinite when none was capped after that.
 */
export function mutatedAgain(requests: readonly AdmissionRequest[], since: Date): number {
  const inOrder = requests.toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime());
  const lastFailed = inOrder.findLast((request) => hasFailed(request) && request.answeredAt >= since);
  if (lastFailed === undefined) return 0;
  const healed = inOrder.find(({ sentAt, outcome }) => outcome === 'mutated' && sentAt > lastFailed.sentAt);
  return healed === undefined ? Number.POSITIVE_INFINITY : healed.answeredAt.getTime() - since.getTime();
}

const hasFailed = ({ outcome }: AdmissionRequest): boolean => outcome !== 'mutated';
