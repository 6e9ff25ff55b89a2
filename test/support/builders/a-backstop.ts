import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createBackstop } from '../../../src/backstop/backstop.ts';
import type { JobReference } from '../../../src/backstop/decide.ts';
import type { JobEvent } from '../../../src/backstop/job-events.ts';
import type { JobList, JobStore } from '../../../src/backstop/job-store.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import { type Labels, type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
import { createFakeConfigurationStore } from '../fakes/fake-configuration-store.ts';
import { aTerraformJob, type Json } from './a-job.ts';

/** The result of a PATCH of a Job, or the error with which it fails. */
export type Result = Awaited<ReturnType<JobStore['cap']>> | OperatorError;

/** The error of a call that cannot reach the API server. */
export const away = new OperatorError('KUBE_UNAVAILABLE', 'away');

export interface Setting {
  /** The result of each PATCH. Default: `capped`. */
  readonly answer?: (job: JobReference) => Result | Promise<Result>;
  /** Jobs on each page of a list. Default: all Jobs. */
  readonly pageSize?: number;
  readonly writeEvent?: JobStore['writeEvent'];
  readonly policy?: Policy;
  readonly labels?: () => Labels | Promise<Labels>;
  /** The Pods of each Job, or the error of their list. Default: none. */
  readonly pods?: () => readonly unknown[] | OperatorError;
  /** Whether the Job has no further Pods. Default: true. */
  readonly isEveryPodSeen?: boolean;
}

export function aMissedJob(name: string, resourceVersion = '1'): Json {
  const job = aTerraformJob({ name });
  return { ...job, metadata: { ...job.metadata, uid: `u-${name}`, resourceVersion } };
}

/** Starts a backstop with `count` uncapped Jobs (`job-0`, `job-1`, …) on a fake JobStore that records its calls. */
export function startBackstop(t: TestContext, count: number, setting: Setting = {}) {
  const {
    answer = () => 'capped',
    pageSize = count,
    writeEvent,
    policy = terraformPolicy,
    labels = () => ({}),
    pods = () => [],
    isEveryPodSeen = true,
  } = setting;
  let current = policy;
  const stop = new AbortController();
  t.after(() => stop.abort());
  const seen = {
    pages: [] as number[],
    watches: 0,
    running: 0,
    mostRunning: 0,
    patched: [] as string[],
    limits: [] as number[],
    lastVersion: '',
    events: [] as JobEvent[],
    reads: 0,
    failedApplies: {} as Record<string, number>,
  };
  const lines: string[] = [];
  /** Jobs that a test has changed, by name. */
  const stored = new Map<string, Json>();
  let change: (type: string, job: unknown) => void = assert.fail;
  let endWatch: () => void = assert.fail;
  const list: JobList = {
    namespace: undefined,
    async page(next, saw) {
      const from = Number(next ?? 0);
      seen.pages.push(from);
      const to = Math.min(from + pageSize, count);
      for (let nth = from; nth < to; nth += 1) saw(aMissedJob(`job-${nth}`));
      return { resourceVersion: '100', next: to < count ? String(to) : undefined };
    },
    watch(_from, onEvent, signal) {
      change = onEvent;
      seen.watches += 1;
      return new Promise((resolve) => {
        endWatch = () => resolve('ended');
        signal.addEventListener('abort', endWatch);
      });
    },
  };
  const jobs: JobStore = {
    lists: [list],
    async read({ name }) {
      seen.reads += 1;
      return stored.get(name) ?? aMissedJob(name);
    },
    async pods(_job, _which, onPod) {
      const found = pods();
      if (found instanceof Error) throw found;
      found.forEach(onPod);
      return isEveryPodSeen;
    },
    async cap({ job, to }) {
      seen.limits.push(to);
      seen.running += 1;
      seen.mostRunning = Math.max(seen.mostRunning, seen.running);
      await new Promise(setImmediate);
      seen.running -= 1;
      seen.patched.push(job.name);
      seen.lastVersion = job.resourceVersion;
      const result = await answer(job);
      if (result instanceof Error) throw result;
      return result;
    },
    async writeEvent(job, event) {
      const isNew = (await writeEvent?.(job, event)) ?? true;
      seen.events.push(event);
      return isNew;
    },
  };
  const configurations = createFakeConfigurationStore();
  const startMs = Date.now();
  const clock = { ms: startMs };
  const now = () => new Date(clock.ms);
  const metrics = {
    ...{ missed: 0, notRetried: 0 },
    jobMissed: () => (metrics.missed += 1),
    jobNotRetried: () => (metrics.notRetried += 1),
    failedApplies(numbers: ReadonlyMap<string, number>) {
      seen.failedApplies = Object.fromEntries(numbers);
    },
  };
  const put = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Log = { error: assert.fail, warn: put('warn'), info: put('info'), debug: put('debug') };
  const namespaceLabels = async () => labels();
  const listeners: (() => void)[] = [];
  const onPolicyChange = (callback: () => void) => void listeners.push(callback);
  const runBackstop = createBackstop(
    {
      ...{ jobs, configurations, namespaceLabels, log, metrics, now, onPolicyChange },
      uptimeMs: () => clock.ms - startMs,
      policy: () => current,
      heal: 'all',
    },
    stop.signal,
  );
  let running = new AbortController();
  const run = () => {
    running = new AbortController();
    return runBackstop(AbortSignal.any([stop.signal, running.signal]));
  };
  const ended = run();
  return {
    ...{ seen, configurations, lines, metrics, listeners, ended, clock },
    stop: () => stop.abort(),
    change(job: Json, type = 'MODIFIED') {
      stored.set(job.metadata.name, job);
      change(type, job);
    },
    changePolicy(policy = { ...current }) {
      current = policy;
      for (const changed of listeners) changed();
    },
    endWatch: () => endWatch(),
    /** Ends the run, as when another replica takes over the Lease. */
    endRun: () => running.abort(),
    run,
  };
}

/** Runs the event loop until all work that waits for no timer is done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
}
