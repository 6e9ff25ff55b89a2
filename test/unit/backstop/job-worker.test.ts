import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../src/lib/errors.ts';
import { type Labels, terraformPolicy } from '../../../src/policy/policy.ts';
import { aMissedJob, away, type Result, settled, startBackstop } from '../../support/builders/a-backstop.ts';
import { eventually, promptly } from '../../support/eventually.ts';

describe('caps of the backstop that fail or are reverted', { timeout: 300_000 }, () => {
  test('the backstop rate-limits the caps of a Job whose backoffLimit another writer keeps raising, and then caps its latest version', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { seen, lines, metrics, change, clock } = startBackstop(t, 1);
    for (let version = 2; version < 30; version += 1) {
      await settled();
      change(aMissedJob('job-0', String(version)));
    }
    await settled();
    assert.deepEqual([metrics.missed, seen.pages], [20, [0]]);
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      ['warn cap rate-limited: another writer keeps raising backoffLimit'],
    );
    clock.ms += 1_000;
    t.mock.timers.tick(1_000);
    await settled();
    assert.deepEqual([metrics.missed, seen.pages, seen.lastVersion], [21, [0], '29']);
  });

  test('the backstop retries only the Job whose patch failed, with growing pauses', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { seen, lines, metrics, clock } = startBackstop(t, 6, {
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

  test('if its retry queue overflows, the backstop lists the Jobs again at the end of the watch, and patches only the Jobs that the full queue dropped', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let isAway = true;
    const { seen, endWatch } = startBackstop(t, 5_002, {
      pageSize: 2_501,
      answer: () => (isAway ? away : 'capped'),
    });
    const pages = async (expected: readonly number[]) => {
      for (let turn = 0; turn < 50; turn += 1) await settled();
      assert.deepEqual(seen.pages, expected);
    };
    await pages([0, 2501]);
    assert.equal(seen.patched.length, 5_002);
    await eventually(() => assert.equal(seen.watches, 1));
    endWatch();
    await eventually(() => assert.equal(seen.pages.length, 4));
    await pages([0, 2501, 0, 2501]);
    assert.deepEqual(seen.patched.slice(5_002).sort(), ['job-5000', 'job-5001']);
    isAway = false;
    const failed = seen.patched.length;
    t.mock.timers.tick(180_000);
    endWatch();
    await eventually(() => assert.equal(new Set(seen.patched.slice(failed)).size, 5_002));
  });

  test('the backstop retries a Job whose backoffLimit another webhook raised during the patch', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let result: Result = 'undone';
    const { seen, metrics } = startBackstop(t, 1, { answer: () => result });
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
    ['was deleted', 'DELETED', aMissedJob('job-0')],
    [
      'has finished',
      'MODIFIED',
      { ...aMissedJob('job-0', '2'), status: { conditions: [{ type: 'Complete', status: 'True' }] } },
    ],
  ] as const) {
    test(`the backstop drops a queued Job that ${what}`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const { seen, change } = startBackstop(t, 2, { answer: () => away });
      await settled();
      // The watch starts shortly after the list.
      await eventually(() => assert.equal(seen.watches, 1));
      change(job, type);
      t.mock.timers.tick(5_000);
      await settled();
      assert.deepEqual(seen.patched.slice(2), ['job-1']);
    });
  }

  test('if a Job changes while the patch of its older version is in flight and then fails, the backstop retries the latest version', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const older = Promise.withResolvers<Result>();
    let answer: Result = away;
    const { seen, metrics, change } = startBackstop(t, 0, {
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

  test('the backstop does not patch a Job if the replica lost the Lease before the patch', async (t) => {
    const [rule] = terraformPolicy.rules;
    assert.ok(rule);
    const policy = { namespaceSelector: { matchLabels: { team: 'a' } }, rules: [rule] };
    const { promise: labels, resolve } = Promise.withResolvers<Labels>();
    const { seen, endRun, ended } = startBackstop(t, 1, { policy, labels: () => labels });
    await eventually(() => assert.equal(seen.reads, 1));
    endRun();
    resolve({ team: 'a' });
    await promptly(ended);
    await settled();
    assert.deepEqual(seen.patched, []);
  });

  test('the backstop retries a failed read of a namespace; after a recovery, a new failure is a warning again only if the last warning is a minute old', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const [rule] = terraformPolicy.rules;
    assert.ok(rule);
    const policy = { namespaceSelector: { matchLabels: { team: 'a' } }, rules: [rule] };
    let isAway = true;
    const labels = () => {
      if (isAway) throw away;
      return { team: 'a' };
    };
    const { lines, metrics, change, clock } = startBackstop(t, 2, { policy, labels });
    const warnings = () => lines.filter((line) => line === 'warn job not capped').length;
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
});

describe('caps of Jobs with OnFailure that have a Pod', { timeout: 300_000 }, () => {
  const running = (restartCount: number) => ({
    spec: { containers: [{ name: 'terraform-executor' }] },
    status: { containerStatuses: [{ name: 'terraform-executor', restartCount, state: { running: {} } }] },
  });
  const active = (name: string, backoffLimit?: number) => {
    const job = aMissedJob(name);
    return { ...job, spec: { ...job.spec, ...(backoffLimit ? { backoffLimit } : {}) }, status: { active: 1 } };
  };

  test('the backstop caps a Job to the limit with which its run can finish, or leaves it if its limit is not higher', async (t) => {
    const { seen, metrics, change } = startBackstop(t, 0, { pods: () => [running(1)] });
    await eventually(() => assert.equal(seen.watches, 1));
    change(active('low', 2));
    change(active('high'));
    await eventually(() => assert.equal(seen.events.length, 1));
    assert.deepEqual([seen.patched, seen.limits, metrics.missed], [['high'], [2], 1]);
    assert.match(seen.events[0]?.note ?? '', /current run can finish/);
  });

  test('the backstop does not end the run of a Job whose Pods it cannot see', async (t) => {
    const { seen, change } = startBackstop(t, 0, { isEveryPodSeen: false });
    await eventually(() => assert.equal(seen.watches, 1));
    change(active('job'));
    await eventually(() => assert.equal(seen.events.length, 1));
    assert.deepEqual(seen.limits, [6]);
    assert.match(seen.events[0]?.note ?? '', /Not all of its Pods could be seen\. .* restarted 6 times in all/);
  });

  test('the backstop retries a Job if the API server is unavailable at the list of its Pods', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let pods: unknown[] | OperatorError = away;
    const { seen, lines, change } = startBackstop(t, 0, { pods: () => pods });
    await settled();
    await eventually(() => assert.equal(seen.watches, 1));
    change(active('job'));
    await settled();
    assert.deepEqual([seen.limits, lines.at(-1)], [[], 'warn job not capped']);
    pods = [running(3)];
    t.mock.timers.tick(5_000);
    await settled();
    assert.deepEqual(seen.limits, [4]);
  });

  test('without the right to list Pods the backstop caps a Job to the policy, and warns once per outage', async (t) => {
    const forbidden = new OperatorError('KUBE_FORBIDDEN', 'no rights');
    const { seen, lines, change } = startBackstop(t, 0, { pods: () => forbidden });
    await eventually(() => assert.equal(seen.watches, 1));
    for (const name of ['one', 'two']) change(active(name));
    await eventually(() => assert.deepEqual(seen.limits, [0, 0]));
    assert.equal(lines.filter((line) => line === 'warn cannot list pods, a cap may end a run').length, 1);
  });
});
