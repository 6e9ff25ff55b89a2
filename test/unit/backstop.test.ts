import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { runBackstop } from '../../src/backstop.ts';
import type { JobReference } from '../../src/backstop-judgement.ts';
import type { JobNotice } from '../../src/backstop-notices.ts';
import type { JobStore } from '../../src/backstop-store.ts';
import { OperatorError } from '../../src/errors.ts';
import type { Log } from '../../src/log.ts';
import { type Labels, type Policy, terraformPolicy } from '../../src/policy.ts';
import { createWorkQueue } from '../../src/work-queue.ts';
import { aTerraformJob } from '../support/a-job.ts';
import { eventually, promptly } from '../support/eventually.ts';

type Result = Awaited<ReturnType<JobStore['cap']>> | OperatorError;

/** So many missed Jobs, and what the API server answers to the patches. */
function start(
  t: TestContext,
  count: number,
  answer: (job: JobReference) => Result = () => 'capped',
  { uid, policy = terraformPolicy, labels = {} }: { uid?: string; policy?: Policy; labels?: Labels } = {},
) {
  const stop = new AbortController();
  t.after(() => stop.abort());
  const seen = { lists: 0, running: 0, mostRunning: 0, patched: [] as string[], notices: [] as JobNotice[] };
  const lines: string[] = [];
  const jobs: JobStore = {
    async page(_next, saw) {
      seen.lists += 1;
      for (let nth = 0; nth < count; nth += 1) {
        const job = aTerraformJob({ name: `job-${nth}` });
        saw({ ...job, metadata: { ...job.metadata, uid: uid ?? `u-${nth}`, resourceVersion: String(nth) } });
      }
      return { resourceVersion: '100', next: undefined };
    },
    watch: (_from, _tell, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('ended'))),
    async cap(job, backoffLimit) {
      assert.equal(backoffLimit, 0);
      seen.running += 1;
      seen.mostRunning = Math.max(seen.mostRunning, seen.running);
      await new Promise(setImmediate);
      seen.running -= 1;
      seen.patched.push(`${job.uid}@${job.resourceVersion}`);
      const result = answer(job);
      if (result instanceof Error) throw result;
      return result;
    },
    async tell(_job, notice) {
      seen.notices.push(notice);
      return true;
    },
  };
  const lease = { read: async () => undefined, create: async () => true, write: async () => true };
  const metrics = { missed: 0, jobMissed: () => (metrics.missed += 1), jobRanOnce: assert.fail };
  const tell = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Log = { error: assert.fail, warn: tell('warn'), info: tell('info'), debug: tell('debug') };
  const namespaceLabels = async () => labels;
  const dependencies = { jobs, lease, replica: 'pod/1', namespaceLabels, log, metrics, now: () => new Date() };
  let changed = () => {};
  const onPolicyChange = (callback: () => void) => {
    changed = callback;
  };
  const ended = runBackstop(dependencies, { policy: () => policy, onPolicyChange, heal: 'all' }, stop.signal);
  return { seen, lines, metrics, stop: () => stop.abort(), ended, changePolicy: () => changed() };
}

describe('the backstop', { timeout: 30_000 }, () => {
  test('patches each missed Job once, eight at a time, and tells of each', async (t) => {
    const { seen, lines, metrics, stop, ended } = start(t, 100);
    await eventually(() => assert.equal(seen.notices.length, 100));
    assert.deepEqual([seen.mostRunning, new Set(seen.patched).size, seen.patched.length], [8, 100, 100]);
    assert.deepEqual([metrics.missed, lines.filter((line) => line === 'info job missed').length], [100, 100]);
    assert.equal(new Set(seen.notices.map(({ name }) => name)).size, 100);
    assert.ok(seen.notices.every(({ reason, type }) => reason === 'Missed' && type === 'Warning'));
    stop();
    await promptly(ended);
  });

  for (const [team, patched] of [
    ['a', 3],
    ['b', 0],
  ] as const) {
    test(`asks for the labels of a namespace where a rule depends on them: team ${team}, ${patched} capped`, async (t) => {
      const [rule] = terraformPolicy.rules;
      assert.ok(rule);
      const policy = { rules: [{ ...rule, match: { ...rule.match, namespaceLabels: { team: 'a' } } }] };
      const { seen, lines } = start(t, 3, undefined, { policy, labels: { team } });
      await eventually(() => assert.ok(lines.includes('info jobs listed')));
      await new Promise(setImmediate);
      assert.equal(seen.patched.length, patched);
    });
  }

  test('looks at all Jobs again when another policy has come into force', async (t) => {
    const { seen, lines, changePolicy } = start(t, 1);
    await eventually(() => assert.ok(lines.includes('info jobs listed')));
    changePolicy();
    await eventually(() => assert.equal(seen.lists, 2));
  });

  test('lets go of a Job that has changed or is gone: the watch brings it again', async (t) => {
    const { seen, lines, metrics } = start(t, 3, () => 'lost');
    await eventually(() => assert.equal(seen.patched.length, 3));
    await new Promise(setImmediate);
    assert.deepEqual([metrics.missed, seen.notices, seen.lists], [0, [], 1]);
    assert.deepEqual(lines, ['info watching jobs', 'info jobs listed']);
  });

  test('says where something else sets the limit again, and does not count that', async (t) => {
    const { lines, metrics } = start(t, 2, () => 'undone');
    await eventually(() => assert.ok(lines.includes('debug job not capped')));
    assert.deepEqual([lines.filter((line) => line === 'warn job not capped').length, metrics.missed], [1, 0]);
  });

  test('lets a Job rest that somebody else raises again and again', async (t) => {
    const { seen, lines, metrics } = start(t, 30, () => 'capped', { uid: 'the-same' });
    await eventually(() => assert.ok(lines.includes('warn job raised again')));
    await new Promise(setImmediate);
    assert.deepEqual([metrics.missed, seen.lists], [20, 1]);
  });

  test('looks at all Jobs again where one could not be written, and says so once', async (t) => {
    let isBack = false;
    const away = new OperatorError('KUBE_UNAVAILABLE', 'away');
    const { seen, lines, metrics } = start(t, 2, ({ uid }) => (uid === 'u-1' && !isBack ? away : 'capped'));
    await eventually(() => assert.ok(lines.includes('warn job not capped')));
    isBack = true;
    await eventually(() => assert.equal(seen.lists, 2), { withinMs: 10_000 });
    await eventually(() => assert.equal(metrics.missed, 3), { withinMs: 10_000 });
    assert.equal(lines.filter((line) => line.startsWith('warn')).length, 1);
  });
});

describe('a work queue', () => {
  const never = new AbortController().signal;

  test('takes no more than may wait, and is idle at first and in the end', async () => {
    const queue = createWorkQueue({ concurrency: 1, most: 2 }, never);
    await promptly(queue.idle());
    const { promise, resolve } = Promise.withResolvers<void>();
    let done = 0;
    const task = async () => {
      await promise;
      done += 1;
    };
    assert.deepEqual(
      [1, 2, 3, 4].map(() => queue.add(task)),
      [true, true, true, false],
    );
    resolve();
    await promptly(queue.idle());
    assert.equal(done, 3);
  });

  test('begins nothing after the signal, and is idle when what runs has ended', async () => {
    const stop = new AbortController();
    const queue = createWorkQueue({ concurrency: 1, most: 10 }, stop.signal);
    const { promise, resolve } = Promise.withResolvers<void>();
    let begun = 0;
    const task = () => {
      begun += 1;
      return promise;
    };
    queue.add(task);
    queue.add(task);
    stop.abort();
    assert.equal(queue.add(task), false);
    resolve();
    await promptly(queue.idle());
    assert.equal(begun, 1);
  });
});
