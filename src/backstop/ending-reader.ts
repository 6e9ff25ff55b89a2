import { errorFields, OperatorError } from '../lib/errors.ts';
import type { OutageLog } from '../lib/log-once.ts';
import { type Ending, endingAfter, type PodEnding, podEnding, withEarlier } from '../terraform/ending.ts';
import type { ExplainDecision } from './decide.ts';
import type { JobStore } from './job-store.ts';

/** Reads how failed Jobs ended. Keeps what it saw in Pods that the Job controller then deletes. */
export interface EndingReader {
  /** Never rejects with an OperatorError: without the Pods the ending is `unknown`. */
  read(decision: Pick<ExplainDecision, 'job' | 'reason' | 'hasFailed'>): Promise<Ending>;
  /** Drops what was seen of a Job that was deleted. */
  forget(uid: string): void;
}

/** Maximum number of Jobs whose end was seen and that the Job controller has not marked as failed yet. */
const MOST_SEEN = 1_000;

const UNREAD = 'cannot list pods, events about failed jobs say less';

export function createEndingReader(jobs: Pick<JobStore, 'pods'>, outages: OutageLog): EndingReader {
  const seen = new Map<string, Promise<Ending>>();

  async function look({ job, reason }: Pick<ExplainDecision, 'job' | 'reason'>): Promise<Ending> {
    const pods: PodEnding[] = [];
    let isComplete: boolean;
    try {
      isComplete = await jobs.pods(job, 'all', (pod) => pods.push(podEnding(pod)));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      outages.failed(UNREAD, errorFields(error));
      return endingAfter(reason, undefined);
    }
    outages.recovered(UNREAD);
    return endingAfter(reason, isComplete || pods.length > 0 ? pods : undefined);
  }
  return {
    async read(decision) {
      const { uid } = decision.job;
      const ending = look(decision);
      const earlier = seen.get(uid);
      seen.delete(uid);
      if (decision.hasFailed) return withEarlier(await ending, await earlier);
      const [oldest] = seen.keys();
      if (oldest !== undefined && seen.size >= MOST_SEEN) seen.delete(oldest);
      const both = ending.then(async (now) => withEarlier(now, await earlier));
      seen.set(uid, both);
      return both;
    },
    forget: (uid) => seen.delete(uid),
  };
}
