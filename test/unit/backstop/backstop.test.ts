import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { away, type Result, settled, startBackstop } from '../../support/builders/a-backstop.ts';
import type { Json } from '../../support/builders/a-job.ts';
import { recordedJob } from '../../support/builders/recorded-jobs.ts';
import { eventually, promptly } from '../../support/eventually.ts';

describe('the backstop', { timeout: 300_000 }, () => {
  test('the backstop patches each uncapped Job once, at most eight at a time, and writes an Event about each', async (t) => {
    const { seen, lines, metrics, stop, ended } = startBackstop(t, 100);
    await eventually(() => assert.equal(seen.events.length, 100));
    assert.deepEqual([seen.mostRunning, new Set(seen.patched).size, seen.patched.length], [8, 100, 100]);
    assert.deepEqual([metrics.missed, lines.filter((line) => line === 'info uncapped job capped').length], [100, 100]);
    assert.equal(new Set(seen.events.map(({ name }) => name)).size, 100);
    assert.ok(seen.events.every(({ reason }) => reason === 'Missed'));
    stop();
    await promptly(ended);
  });

  for (const [team, patched] of [
    ['a', 3],
    ['b', 0],
  ] as const) {
    test(`with a policy for namespaces of team a, the backstop caps ${patched} of 3 Jobs in a namespace of team ${team}`, async (t) => {
      const [rule] = terraformPolicy.rules;
      assert.ok(rule);
      const policy = { namespaceSelector: { matchLabels: { team: 'a' } }, rules: [rule] };
      const { seen, lines } = startBackstop(t, 3, { policy, labels: () => ({ team }) });
      await eventually(() => assert.ok(lines.includes('info jobs listed')));
      await new Promise(setImmediate);
      assert.equal(seen.patched.length, patched);
    });
  }

  test('the backstop reports a Job that failed long ago on its Configuration, until the Job is deleted or the policy no longer caps it', async (t) => {
    const { seen, configurations, change, changePolicy } = startBackstop(t, 0);
    await eventually(() => assert.equal(seen.watches, 1));
    const metadata = { namespace: 'team-a', name: 'oss-bucket', uid: 'c-1' };
    configurations.put({ metadata, status: { apply: { state: 'ProvisioningAndChecking' } } });
    const job: Json = await recordedJob('create-terraform-apply', 'team-a');
    const failed = { type: 'Failed', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' };
    Object.assign(job.spec, { backoffLimit: 0 });
    Object.assign(job, { status: { conditions: [failed] } });
    const version = (resourceVersion: string) => {
      Object.assign(job.metadata, { uid: 'j-1', resourceVersion });
      return structuredClone(job);
    };
    change(version('1'), 'ADDED');
    await eventually(() => assert.deepEqual(seen.failedApplies, { 'team-a': 1 }));
    // The Job counts before its Event is written.
    await eventually(() =>
      assert.deepEqual(
        configurations.events.map(({ event }) => event.name),
        ['apply-failed.j-1'],
      ),
    );
    change(version('2'), 'DELETED');
    assert.deepEqual(seen.failedApplies, {});

    change(version('3'), 'ADDED');
    await eventually(() => assert.deepEqual(seen.failedApplies, { 'team-a': 1 }));
    changePolicy({ rules: [] });
    change(version('4'));
    assert.deepEqual([seen.failedApplies, seen.events], [{}, []]);
  });

  test('the backstop lists the Jobs again when a new policy comes into force', async (t) => {
    const { seen, lines, changePolicy } = startBackstop(t, 1);
    await eventually(() => assert.ok(lines.includes('info jobs listed')));
    changePolicy();
    await eventually(() => assert.deepEqual(seen.pages, [0, 0]));
  });

  test('when a new policy comes into force, the backstop at once retries a Job whose first patch failed', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let result: Result = away;
    const { seen, changePolicy } = startBackstop(t, 1, { answer: () => result });
    await eventually(() => assert.equal(seen.watches, 1));
    result = 'capped';
    changePolicy();
    await eventually(() => assert.equal(seen.patched.length, 2));
  });

  test('the backstop does not retry the patch of a Job that has changed or was deleted, because the watch reports it', async (t) => {
    const { seen, lines, metrics } = startBackstop(t, 3, { answer: () => 'lost' });
    await eventually(() => assert.equal(seen.patched.length, 3));
    await new Promise(setImmediate);
    assert.deepEqual([metrics.missed, seen.events, seen.pages], [0, [], [0]]);
    assert.deepEqual(lines, ['info jobs listed']);
  });

  test('the backstop warns if the API server stores a higher backoffLimit than the patch sets, and does not count a cap', async (t) => {
    const { lines, metrics } = startBackstop(t, 2, { answer: () => 'undone' });
    await eventually(() => assert.ok(lines.includes('debug job not capped')));
    assert.deepEqual([lines.filter((line) => line === 'warn job not capped').length, metrics.missed], [1, 0]);
  });

  test('if the patches of a page of Jobs hang, the backstop reads the next page after 2 s', async (t) => {
    // The TypeScript types of mock timers lack `AbortSignal.timeout`, so the test casts its name.
    t.mock.timers.enable({ apis: ['setTimeout', 'AbortSignal.timeout' as 'setTimeout'] });
    const hanging = Promise.withResolvers<Result>();
    const { seen, lines } = startBackstop(t, 20, { pageSize: 10, answer: () => hanging.promise });
    await settled();
    t.mock.timers.tick(1_999);
    await settled();
    assert.deepEqual(seen.pages, [0], 'it is waited for');
    t.mock.timers.tick(1);
    await settled();
    assert.deepEqual(seen.pages, [0, 10]);
    t.mock.timers.tick(2_000);
    await settled();
    assert.ok(lines.includes('info jobs listed'));
    hanging.resolve('capped');
    await settled();
    assert.equal(new Set(seen.patched).size, 20, 'none is lost');
  });

  test('the backstop registers one policy callback, however often it is started', async (t) => {
    const { seen, listeners, changePolicy, ended, endRun, run } = startBackstop(t, 1);
    await eventually(() => assert.equal(seen.watches, 1));
    endRun();
    await ended;
    void run();
    await eventually(() => assert.equal(seen.watches, 2));
    changePolicy();
    await eventually(() => assert.equal(seen.watches, 3));
    assert.equal(listeners.length, 1);
  });

  test('the backstop ends at once while a read of a namespace hangs', async (t) => {
    const [rule] = terraformPolicy.rules;
    assert.ok(rule);
    const policy = { namespaceSelector: { matchLabels: { team: 'a' } }, rules: [rule] };
    let asked = 0;
    const labels = () => {
      asked += 1;
      return new Promise(() => {}) as never;
    };
    const { stop, ended } = startBackstop(t, 1, { policy, labels });
    await eventually(() => assert.equal(asked, 1));
    stop();
    await promptly(ended);
  });
});
