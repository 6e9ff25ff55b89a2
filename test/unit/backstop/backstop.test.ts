import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { runBackstop } from '../../../src/backstop/backstop.ts';
import type { JobReference } from '../../../src/backstop/judgement.ts';
import type { JobNotice } from '../../../src/backstop/notices.ts';
import type { JobStore } from '../../../src/backstop/store.ts';
import { createWorkQueue } from '../../../src/backstop/work-queue.ts';
import { OperatorError } from '../../../src/errors.ts';
import type { Log } from '../../../src/log.ts';
import { type Labels, type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
import { aTerraformJob, type Json } from '../../support/a-job.ts';
import { eventually, promptly } from '../../support/eventually.ts';

type Result = Awaited<ReturnType<JobStore['cap']>> | OperatorError;

const away = new OperatorError('KUBE_UNAVAILABLE', 'away');

interface Setting {
  /** What the API server answers to a patch. */
  readonly answer?: (job: JobReference) => Result | Promise<Result>;
  /** How many Jobs a page holds. */
  readonly pageSize?: number;
  readonly tell?: JobStore['tell'];
  readonly policy?: Policy;
  readonly labels?: () => Labels;
}

function aMissedJob(name: string, resourceVersion = '1'): Json {
  const job = aTerraformJob({ name });
  return { ...job, metadata: { ...job.metadata, uid: `u-${name}`, resourceVersion } };
}

/** So many missed Jobs, from `job-0` on, and an API server that remembers what it was asked. */
function start(t: TestContext, count: number, setting: Setting = {}) {
  const { answer = () => 'capped', pageSize = count, tell, policy = terraformPolicy, labels = () => ({}) } = setting;
  const stop = new AbortController();
  t.after(() => stop.abort());
  const seen = {
    pages: [] as number[],
    watches: 0,
    running: 0,
    mostRunning: 0,
    patched: [] as string[],
    lastVersion: '',
    notices: [] as JobNotice[],
  };
  const lines: string[] = [];
  let change: (type: string, job: unknown) => void = assert.fail;
  const jobs: JobStore = {
    async page(next, saw) {
      const from = Number(next ?? 0);
      seen.pages.push(from);
      const to = Math.min(from + pageSize, count);
      for (let nth = from; nth < to; nth += 1) saw(aMissedJob(`job-${nth}`));
      return { resourceVersion: '100', next: to < count ? String(to) : undefined };
    },
    watch(_from, tell, signal) {
      change = tell;
      seen.watches += 1;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve('ended')));
    },
    async cap(job, backoffLimit) {
      assert.equal(backoffLimit, 0);
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
    async tell(job, notice) {
      const isNew = (await tell?.(job, notice)) ?? true;
      seen.notices.push(notice);
      return isNew;
    },
  };
  const clock = { ms: Date.now() };
  const now = () => new Date(clock.ms);
  let holder = 'pod/1';
  const lease = {
    read: async () => ({ holder, renewedAt: now(), resourceVersion: '1' }),
    create: async () => true,
    write: async () => true,
  };
  const metrics = { missed: 0, jobMissed: () => (metrics.missed += 1), jobRanOnce: assert.fail };
  const put = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Log = { error: assert.fail, warn: put('warn'), info: put('info'), debug: put('debug') };
  const namespaceLabels = async () => labels();
  const dependencies = { jobs, lease, replica: 'pod/1', namespaceLabels, log, metrics, now };
  const listeners: (() => void)[] = [];
  const onPolicyChange = (callback: () => void) => void listeners.push(callback);
  const ended = runBackstop(dependencies, { policy: () => policy, onPolicyChange, heal: 'all' }, stop.signal);
  return {
    ...{ seen, lines, metrics, listeners, ended, clock },
    stop: () => stop.abort(),
    change: (job: unknown, type = 'MODIFIED') => change(type, job),
    changePolicy() {
      for (const changed of listeners) changed();
    },
    setHolder: (identity: string) => (holder = identity),
  };
}

/** Everything that needs no time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
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
      const { seen, lines } = start(t, 3, { policy, labels: () => ({ team }) });
      await eventually(() => assert.ok(lines.includes('info jobs listed')));
      await new Promise(setImmediate);
      assert.equal(seen.patched.length, patched);
    });
  }

  test('looks at all Jobs again when another policy has come into force', async (t) => {
    const { seen, lines, changePolicy } = start(t, 1);
    await eventually(() => assert.ok(lines.includes('info jobs listed')));
    changePolicy();
    await eventually(() => assert.deepEqual(seen.pages, [0, 0]));
  });

  test('lets go of a Job that has changed or is gone: the watch brings it again', async (t) => {
    const { seen, lines, metrics } = start(t, 3, { answer: () => 'lost' });
    await eventually(() => assert.equal(seen.patched.length, 3));
    await new Promise(setImmediate);
    assert.deepEqual([metrics.missed, seen.notices, seen.pages], [0, [], [0]]);
    assert.deepEqual(lines, ['info watching jobs', 'info jobs listed']);
  });

  test('says where something else sets the limit again, and does not count that', async (t) => {
    const { lines, metrics } = start(t, 2, { answer: () => 'undone' });
    await eventually(() => assert.ok(lines.includes('debug job not capped')));
    assert.deepEqual([lines.filter((line) => line === 'warn job not capped').length, metrics.missed], [1, 0]);
  });

  test('lets a Job rest that somebody else raises again and again, and then caps what it has become', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { seen, lines, metrics, change, clock } = start(t, 1);
    for (let version = 2; version < 30; version += 1) {
      await settled();
      change(aMissedJob('job-0', String(version)));
    }
    await settled();
    assert.deepEqual([metrics.missed, seen.pages], [20, [0]]);
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      ['warn job raised again'],
    );
    clock.ms += 1_000;
    t.mock.timers.tick(1_000);
    await settled();
    assert.deepEqual([metrics.missed, seen.pages, seen.lastVersion], [21, [0], '29']);
  });

  test('tries a Job alone again that could not be written, less and less often', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { seen, lines, metrics, clock } = start(t, 6, {
      pageSize: 2,
      answer: ({ name }) => (name === 'job-1' ? away : 'capped'),
    });
    await settled();
    assert.deepEqual(seen.pages, [0, 2, 4], 'the list goes on');
    assert.equal(metrics.missed, 5);
    const tries = () => seen.patched.filter((name) => name === 'job-1').length;
    for (const [nth, seconds] of [5, 10, 20, 40, 80, 160, 180, 180].entries()) {
      t.mock.timers.tick(seconds * 1000 - 1);
      await settled();
      assert.equal(tries(), nth + 1, `${seconds} s`);
      clock.ms += seconds * 1000;
      t.mock.timers.tick(1);
      await settled();
      assert.equal(tries(), nth + 2, `${seconds} s`);
    }
    assert.deepEqual([seen.pages, metrics.missed], [[0, 2, 4], 5]);
    const warnings = lines.filter((line) => line.startsWith('warn'));
    assert.equal(warnings.length, 2, 'and once more after a minute, as others could be written meanwhile');
  });

  test('looks at all Jobs again where more could not be written than are remembered: only after the last page', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { seen } = start(t, 5_002, { pageSize: 2_501, answer: () => away });
    const pages = async (expected: readonly number[]) => {
      for (let turn = 0; turn < 50; turn += 1) await settled();
      assert.deepEqual(seen.pages, expected);
    };
    await pages([0, 2501]);
    assert.equal(seen.patched.length, 5_002);
    t.mock.timers.tick(5_000);
    await pages([0, 2501, 0, 2501]);
    t.mock.timers.tick(5_000);
    await pages([0, 2501, 0, 2501]);
    t.mock.timers.tick(5_000);
    await pages([0, 2501, 0, 2501, 0, 2501]);
  });

  test('goes on to the next page after 10 s where the calls of one hang, and waits for them otherwise', async (t) => {
    // Its types do not know the second yet.
    t.mock.timers.enable({ apis: ['setTimeout', 'AbortSignal.timeout' as 'setTimeout'] });
    const hanging = Promise.withResolvers<Result>();
    const { seen, lines } = start(t, 20, { pageSize: 10, answer: () => hanging.promise });
    await settled();
    t.mock.timers.tick(9_999);
    await settled();
    assert.deepEqual(seen.pages, [0], 'it is waited for');
    t.mock.timers.tick(1);
    await settled();
    assert.deepEqual(seen.pages, [0, 10]);
    t.mock.timers.tick(10_000);
    await settled();
    assert.ok(lines.includes('info jobs listed'));
    hanging.resolve('capped');
    await settled();
    assert.equal(new Set(seen.patched).size, 20, 'none is lost');
  });

  test('tries a Job again that something else has raised within the patch: no watch may tell of it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let result: Result = 'undone';
    const { seen, metrics } = start(t, 1, { answer: () => result });
    await settled();
    result = 'capped';
    t.mock.timers.tick(3 * 60_000 - 1);
    await settled();
    assert.equal(seen.patched.length, 1);
    t.mock.timers.tick(1);
    await settled();
    assert.deepEqual([seen.patched.length, metrics.missed], [2, 1]);
  });

  for (const [what, type, job] of [
    ['is gone', 'DELETED', aMissedJob('job-0')],
    [
      'is over',
      'MODIFIED',
      { ...aMissedJob('job-0', '2'), status: { conditions: [{ type: 'Complete', status: 'True' }] } },
    ],
  ] as const) {
    test(`forgets what waits about a Job that ${what}`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const { seen, change } = start(t, 2, { answer: () => away });
      await settled();
      // A moment after the list.
      await eventually(() => assert.equal(seen.watches, 1));
      change(job, type);
      t.mock.timers.tick(5_000);
      await settled();
      assert.deepEqual(seen.patched.slice(2), ['job-1']);
    });
  }

  test('tries the latest version of a Job again, also where an older one fails after it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const older = Promise.withResolvers<Result>();
    let answer: Result = away;
    const { seen, metrics, change } = start(t, 0, {
      answer: ({ resourceVersion }) => (resourceVersion === '1' ? older.promise : answer),
    });
    await settled();
    await eventually(() => assert.equal(seen.watches, 1));
    change(aMissedJob('job', '1'));
    await settled();
    change(aMissedJob('job', '2'));
    await settled();
    older.resolve(away);
    await settled();
    answer = 'capped';
    t.mock.timers.tick(5_000);
    await settled();
    assert.deepEqual([metrics.missed, seen.lastVersion], [1, '2']);
  });

  test('asks again for a namespace that could not be read, and warns again when that happens anew after a minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const [rule] = terraformPolicy.rules;
    assert.ok(rule);
    const policy = { rules: [{ ...rule, match: { ...rule.match, namespaceLabels: { team: 'a' } } }] };
    let isAway = true;
    const labels = () => {
      if (isAway) throw away;
      return { team: 'a' };
    };
    const { lines, metrics, change, clock } = start(t, 2, { policy, labels });
    const warnings = () => lines.filter((line) => line === 'warn namespace not read').length;
    await settled();
    assert.deepEqual([warnings(), metrics.missed], [1, 0]);
    isAway = false;
    t.mock.timers.tick(5_000);
    await settled();
    assert.deepEqual([warnings(), metrics.missed], [1, 2]);
    isAway = true;
    change(aMissedJob('another'));
    await settled();
    assert.equal(warnings(), 1, 'within a minute of the last one');
    clock.ms += 60_000;
    change(aMissedJob('yet-another'));
    await settled();
    assert.equal(warnings(), 2);
  });

  test('tries an Event again, also when another replica has taken over meanwhile', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let refusals = 3;
    const tell = async () => {
      refusals -= 1;
      if (refusals >= 0) throw away;
      return true;
    };
    const { seen, lines, setHolder } = start(t, 1, { tell });
    await settled();
    setHolder('other/1');
    const isOver = () => assert.ok(lines.includes('info another replica watches jobs'));
    await eventually(isOver, { withinMs: 10_000 });
    for (let second = 0; second < 30; second += 1) {
      t.mock.timers.tick(1_000);
      await settled();
    }
    assert.deepEqual(
      seen.notices.map(({ reason }) => reason),
      ['Missed'],
    );
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      [],
    );
  });

  test('gives an Event up after a minute or so, and says so', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let tries = 0;
    const tell = async () => {
      tries += 1;
      throw away;
    };
    const { seen, lines } = start(t, 1, { tell });
    for (let second = 0; second < 120; second += 1) {
      t.mock.timers.tick(1_000);
      await settled();
    }
    assert.deepEqual([tries, seen.notices], [6, []]);
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      ['warn event not written'],
    );
  });

  test('does not try an Event again that is refused', async (t) => {
    let tries = 0;
    const tell = async () => {
      tries += 1;
      throw new OperatorError('KUBE_FORBIDDEN', 'no rights');
    };
    const { lines } = start(t, 1, { tell });
    await eventually(() => assert.ok(lines.includes('warn event not written')));
    assert.equal(tries, 1);
  });

  test('listens once for another policy, however often its turn comes', async (t) => {
    const { listeners, lines, setHolder } = start(t, 1);
    const turns = (count: number) => () =>
      assert.equal(lines.filter((line) => line === 'info watching jobs').length, count);
    await eventually(turns(1));
    setHolder('other/1');
    const isOver = () => assert.ok(lines.includes('info another replica watches jobs'));
    await eventually(isOver, { withinMs: 10_000 });
    setHolder('pod/1');
    await eventually(turns(2), { withinMs: 10_000 });
    assert.equal(listeners.length, 1);
  });

  test('ends at once also while a namespace is asked for that nobody answers for', async (t) => {
    const [rule] = terraformPolicy.rules;
    assert.ok(rule);
    const policy = { rules: [{ ...rule, match: { ...rule.match, namespaceLabels: { team: 'a' } } }] };
    let asked = 0;
    const labels = () => {
      asked += 1;
      return new Promise(() => {}) as never;
    };
    const { stop, ended } = start(t, 1, { policy, labels });
    await eventually(() => assert.equal(asked, 1));
    stop();
    await promptly(ended, { withinMs: 1_000 });
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
      [1, 2, 3, 4].map(() => queue.add('', task)),
      [true, true, true, false],
    );
    resolve();
    await promptly(queue.idle());
    assert.equal(done, 3);
  });

  test('lets lanes take turns, so that one that hangs does not hold up the others', async () => {
    const queue = createWorkQueue({ concurrency: 2, most: 100 }, never);
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const hang = (name: string) => async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.push(resolve));
    };
    for (const name of ['a1', 'a2', 'a3', 'a4']) queue.add('a', hang(name));
    for (const name of ['b1', 'b2']) queue.add('b', async () => void begun.push(name));
    queue.add('c', async () => void begun.push('c1'));
    for (const _end of ['a1', 'a2']) ends.shift()?.();
    await eventually(() => assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4']));
    for (let end = ends.shift(); end; end = ends.shift()) end();
    await promptly(queue.idle());
    assert.deepEqual(begun.slice(-1), ['b2']);
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
    queue.add('', task);
    queue.add('', task);
    stop.abort();
    assert.equal(queue.add('', task), false);
    resolve();
    await promptly(queue.idle());
    assert.equal(begun, 1);
  });
});
