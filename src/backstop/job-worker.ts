import { doubledMs } from '../lib/backoff.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { TellOnce } from '../lib/log-once.ts';
import type { RepairLimiter } from '../lib/repair-limiter.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { WorkQueue } from '../lib/work-queue.ts';
import type { Labels } from '../policy/policy.ts';
import type { JobStore } from '../stores/job-store.ts';
import type { NamespaceLabels } from '../stores/namespace-store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type JobReference, type JobVerdict, referenceOf } from './decide.ts';
import { createLater } from './delayed-queue.ts';
import type { TellOfJob } from './event-writer.ts';
import { missedNotice, ranOnceNotice } from './job-events.ts';
import type { JobWatchers } from './job-watch.ts';
import { AGAIN, type Round } from './relist.ts';

export interface ActDependencies {
  readonly jobs: Pick<JobStore, 'cap'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'jobMissed' | 'jobRanOnce'>;
  readonly namespaceLabels: NamespaceLabels;
  readonly now: () => Date;
}

export interface Tools {
  readonly round: Pick<Round, 'signal' | 'incomplete'>;
  readonly calls: WorkQueue;
  /** How often each Job was capped: somebody else may raise it each time. */
  readonly fights: RepairLimiter;
  readonly tell: TellOfJob;
  readonly tellOnce: TellOnce;
  judge(job: unknown, namespaceLabels?: Labels): JobVerdict;
}

type Verdict<Action extends JobVerdict['action']> = Extract<JobVerdict, { action: Action }>;

/** What is tried about one Job, and how it is told where that fails. */
interface Attempt {
  readonly job: JobReference;
  readonly problem: string;
  /** Resolves with the milliseconds after which it is to be tried again, if it is. */
  readonly task: () => Promise<number | undefined>;
}

const NOT_CAPPED = 'job not capped';
const NOT_READ = 'namespace not read';
const RAISED = 'job raised again';

/** What somebody has to mend first. */
const REFUSED_AGAIN_MS = AGAIN.longestMs;
/** Of a Job that is to be tried again no more is kept than was needed to decide about it. */
const MOST_LATER = 5_000;

/** Judges each Job that is seen, and does what was decided in its turn; where that fails, again, less and less often. */
export function createActs(dependencies: ActDependencies, tools: Tools): Pick<JobWatchers, 'saw' | 'gone'> {
  const { jobs, log, metrics, namespaceLabels, now } = dependencies;
  const { round, calls, fights, tell, tellOnce, judge } = tools;
  const later = createLater(MOST_LATER, round.signal);

  /** What was begun last about each Job, by its uid: where an older version could not be written, that is of no matter. */
  const latest = new Map<string, Attempt>();

  function attempt(of: Attempt, failures = 0): void {
    latest.set(of.job.uid, of);
    if (!calls.add(of.job.namespace, () => run(of, failures))) round.incomplete();
  }

  async function run(of: Attempt, failures: number): Promise<void> {
    const { uid } = of.job;
    const again = await of.task().then(
      (afterMs) => ({ afterMs, failures }),
      (error: unknown) => ({ afterMs: failed(of, failures + 1, error), failures: failures + 1 }),
    );
    if (latest.get(uid) !== of || round.signal.aborted) return;
    if (again.afterMs === undefined) latest.delete(uid);
    else if (!later.add(uid, again.afterMs, () => attempt(of, again.failures))) round.incomplete();
  }

  function failed({ job, problem }: Attempt, failures: number, error: unknown): number {
    if (!(error instanceof OperatorError)) throw error;
    // The calls that were under way have been ended on purpose.
    if (!round.signal.aborted) {
      tellOnce.failed(problem, { namespace: job.namespace, name: job.name, ...errorFields(error) });
    }
    return error.retryable ? doubledMs(failures, AGAIN) : REFUSED_AGAIN_MS;
  }

  async function ask({ job, outline }: Verdict<'ask'>): Promise<undefined> {
    const labels = await untilAborted(namespaceLabels(job.namespace), round.signal);
    if (labels === undefined) return;
    tellOnce.done(NOT_READ);
    act(judge(outline, labels));
  }

  async function cap({ job, from, to }: Verdict<'cap'>): Promise<number | undefined> {
    const { namespace, name } = job;
    const restMs = fights.delayMs(job.uid, now());
    if (restMs > 0) {
      tellOnce.failed(RAISED, { namespace, name, error: 'somebody else raises backoffLimit each time' });
      return restMs;
    }
    const result = await jobs.cap(job, to);
    // A Job that has changed meanwhile comes again by the watch.
    if (result === 'lost') return undefined;
    fights.record(job.uid, now());
    if (result === 'undone') {
      tellOnce.failed(NOT_CAPPED, { namespace, name, error: 'something sets backoffLimit again' });
      // Where that has left the Job as it was, no watch tells of it.
      return REFUSED_AGAIN_MS;
    }
    for (const problem of [NOT_CAPPED, RAISED]) tellOnce.done(problem);
    log.info('job missed', { namespace, name, from, to });
    metrics.jobMissed();
    tell(job, missedNotice(job, from, to));
    return undefined;
  }

  function explain({ job, end }: Verdict<'explain'>): void {
    tell(job, ranOnceNotice(job, end), () => {
      log.info('job ran once', { namespace: job.namespace, name: job.name });
      metrics.jobRanOnce();
    });
  }

  function act(verdict: JobVerdict): void {
    if (verdict.action === 'leave') return;
    const { job } = verdict;
    if (verdict.action === 'ask') attempt({ job, problem: NOT_READ, task: () => ask(verdict) });
    else if (verdict.action === 'cap') attempt({ job, problem: NOT_CAPPED, task: () => cap(verdict) });
    else explain(verdict);
  }

  /** What is tried, or waits for that, is about what the Job is no more. */
  function gone(job: unknown): void {
    const reference = referenceOf(job);
    if (reference === undefined) return;
    latest.delete(reference.uid);
    later.drop(reference.uid);
  }
  return {
    gone,
    saw(job) {
      gone(job);
      act(judge(job));
    },
  };
}
