import { type Heal, type JobReference, type JobVerdict, judgeJob } from './backstop-judgement.ts';
import { type LeaseStore, takeTurns } from './backstop-lease.ts';
import { type JobNotice, missedNotice, ranOnceNotice } from './backstop-notices.ts';
import type { JobStore } from './backstop-store.ts';
import { errorFields, OperatorError } from './errors.ts';
import { keepWatchingJobs } from './job-watch.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { NamespaceLabels } from './namespaces.ts';
import type { Labels, Policy } from './policy.ts';
import { createWorkQueue, type WorkQueue } from './work-queue.ts';

export interface BackstopDependencies {
  readonly jobs: JobStore;
  readonly lease: LeaseStore;
  /** `host/start` of this process. */
  readonly replica: string;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'jobMissed' | 'jobRanOnce'>;
  readonly namespaceLabels: NamespaceLabels;
  readonly now: () => Date;
}

export interface BackstopOptions {
  /** The policy in force. */
  readonly policy: () => Policy;
  /** Calls back when another one has come into force: all Jobs are looked at again then. */
  readonly onPolicyChange?: (changed: () => void) => void;
  readonly heal: Heal;
}

/** As many Jobs are patched at once. 500 are to be done within 5 s, and the API server has others to serve. */
const PATCHES = { concurrency: 8, most: 5_000 };
/** Events are a courtesy: patches go first. */
const EVENTS = { concurrency: 2, most: 5_000 };

/** All Jobs are looked at again this long after one could not be written. */
const AGAIN_MS = 5_000;
/** Two writers must not drive each other on: a Job that was capped so often rests until all are looked at again. */
const MOST_CAPS = 20;
/** Of so many Jobs at the most it is known how often they were capped. */
const REMEMBERED = 1_000;
/** What somebody has to mend first. */
const REFUSED_AGAIN_MS = 3 * 60_000;

/**
 * Caps the Jobs that were stored without the endpoint, and explains those that have failed, until the signal is
 * aborted. Nothing is remembered of a Job: what could not be written now is found again by looking at all of them.
 */
export async function runBackstop(
  dependencies: BackstopDependencies,
  options: BackstopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { lease, replica, log, now } = dependencies;
  const startedAt = new Date(now().getTime() - performance.now());
  const work = (turn: AbortSignal) => keepLooking(dependencies, { ...options, startedAt }, turn);
  await takeTurns(lease, work, { identity: replica, now, log, signal });
}

/** Rounds of a list and watches; a round ends when all Jobs have to be looked at again. */
async function keepLooking(
  dependencies: BackstopDependencies,
  options: BackstopOptions & { readonly startedAt: Date },
  signal: AbortSignal,
): Promise<void> {
  const { jobs, log, now } = dependencies;
  const tellOnce = onceUntilDone(log);
  const events = createWorkQueue(EVENTS, signal);
  let again: Round['again'] = () => {};
  options.onPolicyChange?.(() => again(0));
  while (!signal.aborted) {
    const round = startRound(signal);
    again = round.again;
    const patches = createWorkQueue(PATCHES, round.signal);
    const act = createAct(dependencies, { patches, events, again: round.again, tellOnce, signal });
    const judge = (job: unknown, namespaceLabels?: Labels) =>
      judgeJob(job, { ...options, policy: options.policy(), namespaceLabels, now: now() });
    const ask = async (job: unknown, namespace: string) => {
      try {
        act(judge(job, (await dependencies.namespaceLabels(namespace)) ?? {}));
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        if (signal.aborted) return;
        round.again(REFUSED_AGAIN_MS);
        tellOnce.failed('namespace not read', { namespace, ...errorFields(error) });
      }
    };
    const saw = (job: unknown) => {
      const verdict = judge(job);
      if (verdict.action !== 'ask') return act(verdict);
      if (!patches.add(() => ask(job, verdict.namespace))) round.again(AGAIN_MS);
    };
    await keepWatchingJobs(jobs, { saw, pageSeen: patches.idle }, { log, signal: round.signal });
    await patches.idle();
    round.end();
  }
}

interface Round {
  readonly signal: AbortSignal;
  /** Ends the round after so long, if nothing has asked for less before. */
  again(afterMs: number): void;
  end(): void;
}

function startRound(stop: AbortSignal): Round {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let dueMs = Number.POSITIVE_INFINITY;
  return {
    signal: AbortSignal.any([stop, over.signal]),
    again(afterMs) {
      const thenMs = performance.now() + afterMs;
      if (thenMs >= dueMs) return;
      dueMs = thenMs;
      clearTimeout(timer);
      timer = setTimeout(() => over.abort(), afterMs).unref();
    },
    end() {
      clearTimeout(timer);
      dueMs = 0;
    },
  };
}

interface Tools {
  readonly patches: WorkQueue;
  readonly events: WorkQueue;
  readonly again: Round['again'];
  readonly tellOnce: TellOnce;
  readonly signal: AbortSignal;
}

/** Does what was decided about a Job, in its turn. */
function createAct(
  { jobs, log, metrics }: BackstopDependencies,
  { patches, events, again, tellOnce, signal }: Tools,
): (verdict: JobVerdict) => void {
  function failed(message: string, job: JobReference, error: unknown): void {
    if (!(error instanceof OperatorError)) throw error;
    // The calls that were under way have been ended on purpose.
    if (signal.aborted) return;
    again(error.retryable ? AGAIN_MS : REFUSED_AGAIN_MS);
    tellOnce.failed(message, { namespace: job.namespace, name: job.name, ...errorFields(error) });
  }

  const countCap = createCapCounts();

  async function cap({ job, from, to }: Extract<JobVerdict, { action: 'cap' }>): Promise<void> {
    const { namespace, name } = job;
    if (countCap(job.uid) > MOST_CAPS) {
      again(REFUSED_AGAIN_MS);
      return tellOnce.failed('job raised again', {
        namespace,
        name,
        error: 'somebody else raises backoffLimit each time',
      });
    }
    const result = await jobs.cap(job, to).catch((error: unknown) => failed('job not capped', job, error));
    // A Job that has changed meanwhile comes again by the watch.
    if (result === undefined || result === 'lost') return;
    if (result === 'undone') {
      return tellOnce.failed('job not capped', { namespace, name, error: 'something sets backoffLimit again' });
    }
    tellOnce.done('job not capped');
    log.info('job missed', { namespace, name, from, to });
    metrics.jobMissed();
    events.add(() => tell(job, missedNotice(job, from, to)));
  }

  async function tell(job: JobReference, notice: JobNotice, told = () => {}): Promise<void> {
    const isNew = await jobs.tell(job, notice).catch((error: unknown) => failed('event not written', job, error));
    if (isNew !== undefined) tellOnce.done('event not written');
    if (isNew) told();
    else if (isNew === false) log.debug('told before', { event: notice.name });
  }

  function explain({ job, isLogKept }: Extract<JobVerdict, { action: 'explain' }>): Promise<void> {
    return tell(job, ranOnceNotice(job, isLogKept), () => {
      log.info('job ran once', { namespace: job.namespace, name: job.name });
      metrics.jobRanOnce();
    });
  }

  return (verdict) => {
    // What is asked for was answered before, or cannot be.
    if (verdict.action === 'leave' || verdict.action === 'ask') return;
    const isTaken = verdict.action === 'cap' ? patches.add(() => cap(verdict)) : events.add(() => explain(verdict));
    if (!isTaken) again(AGAIN_MS);
  };
}

/** How often a Job was capped in this round, the latest ones alone. */
function createCapCounts(): (uid: string) => number {
  const counts = new Map<string, number>();
  return (uid) => {
    const count = (counts.get(uid) ?? 0) + 1;
    counts.delete(uid);
    counts.set(uid, count);
    const [oldest] = counts.keys();
    if (counts.size > REMEMBERED && oldest !== undefined) counts.delete(oldest);
    return count;
  };
}

interface TellOnce {
  failed(message: string, fields: object): void;
  done(message: string): void;
}

/** The first failure of a kind is a warning, those that follow are not until it has worked again. */
function onceUntilDone(log: Log): TellOnce {
  const told = new Set<string>();
  return {
    failed(message, fields) {
      log[told.has(message) ? 'debug' : 'warn'](message, fields);
      told.add(message);
    },
    done: (message) => told.delete(message),
  };
}
