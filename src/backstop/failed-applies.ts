import { errorFields, OperatorError } from '../lib/errors.ts';
import { asObject } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import type { OutageLog } from '../lib/log-once.ts';
import { timings } from '../lib/timings.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type Ending, withEarlier } from '../terraform/ending.ts';
import { isWaiting } from '../terraform/waiting.ts';
import type { ConfigurationKey, ConfigurationReference, ConfigurationStore } from './configuration-store.ts';
import type { ExplainDecision } from './decide.ts';
import { createEndingReader } from './ending-reader.ts';
import { type FailedApply, failedApplyEvent } from './failed-apply-event.ts';
import type { JobStore } from './job-store.ts';
import { createRetryQueue } from './retry-queue.ts';

export interface FailedAppliesDependencies {
  readonly jobs: Pick<JobStore, 'read' | 'pods'>;
  readonly configurations: ConfigurationStore;
  readonly log: Log;
  readonly outages: OutageLog;
  readonly metrics: Pick<Metrics, 'failedApplies'>;
  readonly uptimeMs: () => number;
}

/** The failed Jobs of terraform-controller that the policy does not retry. */
export interface FailedApplies {
  /**
   * Adds a Job, if it is a Job of terraform-controller. A Job that was added before stays as it is.
   *
   * @param ending how the Job ended, as far as it was seen. Its Pods can be deleted later.
   */
  add(decision: ExplainDecision, ending: Ending): void;
  /** Removes a Job that was deleted or that the policy no longer caps. */
  remove(uid: string): void;
}

interface Tracked extends Pick<FailedApply, 'job' | 'action'> {
  readonly reason: string | undefined;
  /** The namespace is added after the Configuration was found by its uid. */
  key: ConfigurationKey;
  ending: Ending;
}

/**
 * Limits of the queue. Only two Jobs are checked at once, because patches of Jobs are more urgent. The queue holds only
 * references.
 */
const CHECKS = { concurrency: 2, most: 5_000 };
/** Maximum number of namespaces in the metric. The Jobs of all further namespaces are counted together. */
const MOST_NAMESPACES = 50;
/** The label of the Jobs of all further namespaces. A namespace cannot have this name, because of the space. */
const OTHERS = 'other namespaces';

const { checkMs, perJobMs, repeatMs, existsMs } = timings.failedApply;

const UNCHECKED = 'cannot check a failed apply';
const UNREADABLE = 'cannot read configurations, failed applies are reported on their jobs only';
const NOT_WRITTEN = 'cannot write a configuration event';
const TOO_MANY = 'too many failed applies, some are not reported';

/**
 * Returns the function that starts to report failed Jobs of terraform-controller, until its argument is aborted: in an
 * Event on the Configuration, again every hour, and in a metric.
 */
export function createFailedApplies(dependencies: FailedAppliesDependencies): (signal: AbortSignal) => FailedApplies {
  const report = createReporter(dependencies);
  return (signal) => startFailedApplies(dependencies, report, signal);
}

function startFailedApplies(
  { jobs, configurations, outages, metrics }: FailedAppliesDependencies,
  report: Report,
  signal: AbortSignal,
): FailedApplies {
  /** The namespace in which each Job counts, by the uid of the Job; `undefined` if it does not count. */
  const namespaces = new Map<string, string | undefined>();
  const onOverflow = ({ job }: Tracked) => {
    outages.failed(TOO_MANY, { most: CHECKS.most });
    remove(job.uid);
  };
  const queue = createRetryQueue<Tracked>({ ...CHECKS, run, onOverflow }, signal);
  signal.addEventListener('abort', () => metrics.failedApplies(new Map()));

  function count(uid: string, namespace: string | undefined): void {
    const isChanged = namespaces.get(uid) !== namespace;
    namespaces.set(uid, namespace);
    if (isChanged && !signal.aborted) metrics.failedApplies(byNamespace(namespaces.values()));
  }
  function remove(uid: string): void {
    queue.remove(uid);
    if (namespaces.has(uid)) count(uid, undefined);
    namespaces.delete(uid);
  }
  async function run(apply: Tracked): Promise<number | undefined> {
    const { namespace, name, uid } = apply.job;
    try {
      // The watch does not report a Job that was deleted while it was interrupted.
      if ((await jobs.read(apply.job)) === undefined) remove(uid);
      else await check(apply);
      outages.recovered(UNCHECKED);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (!signal.aborted) outages.failed(UNCHECKED, { namespace, name, ...errorFields(error) });
    }
    return Math.max(checkMs, namespaces.size * perJobMs);
  }
  async function check(apply: Tracked): Promise<void> {
    const { job, action, key } = apply;
    const configuration = await readConfiguration(key);
    // The Job can have been removed meanwhile.
    if (signal.aborted || queue.get(job.uid) !== apply) return;
    if (configuration === UNREADABLE) return count(job.uid, key.namespace ?? job.namespace);
    const found = referenceOf(configuration);
    if (found === undefined) return count(job.uid, undefined);
    // The next check needs no list of the Configurations of all namespaces.
    apply.key = { ...key, namespace: found.namespace };
    if (!isWaiting(configuration, action)) return count(job.uid, undefined);
    count(job.uid, found.namespace);
    await report(apply, found, signal);
  }
  /** Rejects if a retry can help: the Job then counts as before. */
  async function readConfiguration(key: ConfigurationKey): Promise<unknown> {
    try {
      const configuration = await configurations.read(key);
      outages.recovered(UNREADABLE);
      return configuration;
    } catch (error) {
      if (!(error instanceof OperatorError) || error.retryable) throw error;
      if (!signal.aborted) outages.failed(UNREADABLE, errorFields(error));
      return UNREADABLE;
    }
  }
  return {
    add({ job, configuration, reason }, ending) {
      if (configuration === undefined || queue.get(job.uid) !== undefined) return;
      const { action, ...key } = configuration;
      namespaces.set(job.uid, undefined);
      queue.add(job.uid, job.namespace, { job, action, reason, key, ending });
    },
    remove,
  };
}

/** Writes the Event if it is due. A failed write is repeated at the next check. */
type Report = (apply: Tracked, configuration: ConfigurationReference, signal: AbortSignal) => Promise<void>;

function createReporter({ jobs, configurations, log, outages, uptimeMs }: FailedAppliesDependencies): Report {
  /**
   * When the next Event about a Job is due, by the uid of the Job. The times outlive a loss of the Lease, so that this
   * process does not repeat an Event within an hour.
   */
  const dueAtMs = new Map<string, number>();
  const endings = createEndingReader(jobs, outages);

  async function write(apply: Tracked, configuration: ConfigurationReference): Promise<void> {
    const { job, action, reason } = apply;
    apply.ending = withEarlier(await endings.read({ job, reason, hasFailed: true }), apply.ending);
    const isNew = await configurations.writeEvent(configuration, failedApplyEvent({ ...apply, configuration }));
    outages.recovered(NOT_WRITTEN);
    dueAtMs.set(job.uid, uptimeMs() + (isNew ? repeatMs : existsMs));
    if (!isNew) return;
    const { namespace, name } = configuration;
    const reported = { namespace, name, action, job: `${job.namespace}/${job.name}`, ending: apply.ending.kind };
    log.info('failed apply reported on its configuration', reported);
  }
  return async (apply, configuration, signal) => {
    const nowMs = uptimeMs();
    for (const [uid, atMs] of dueAtMs) if (atMs <= nowMs) dueAtMs.delete(uid);
    if (dueAtMs.has(apply.job.uid)) return;
    await write(apply, configuration).catch((error) => {
      if (!(error instanceof OperatorError)) throw error;
      const { namespace, name } = configuration;
      if (!signal.aborted) outages.failed(NOT_WRITTEN, { namespace, name, ...errorFields(error) });
    });
  };
}

/** Returns the reference of a stored Configuration; `undefined` if it does not exist. */
function referenceOf(configuration: unknown): ConfigurationReference | undefined {
  const { namespace, name, uid } = asObject(asObject(configuration).metadata);
  const texts = { namespace, name, uid };
  return Object.values(texts).every((text) => typeof text === 'string') ? (texts as ConfigurationReference) : undefined;
}

/** Returns how often each namespace occurs, for the first fifty namespaces, and for all others together. */
export function byNamespace(namespaces: Iterable<string | undefined>): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const namespace of namespaces) {
    if (namespace === undefined) continue;
    const label = numbers.has(namespace) || numbers.size < MOST_NAMESPACES ? namespace : OTHERS;
    numbers.set(label, (numbers.get(label) ?? 0) + 1);
  }
  return numbers;
}
