import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { ConfigurationStore } from '../../../src/backstop/configuration-store.ts';
import type { ExplainDecision, JobReference } from '../../../src/backstop/decide.ts';
import { byNamespace, createFailedApplies } from '../../../src/backstop/failed-applies.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import { logOncePerOutage } from '../../../src/lib/log-once.ts';
import type { JobConfiguration } from '../../../src/terraform/configuration.ts';
import type { Ending } from '../../../src/terraform/ending.ts';
import { away, settled } from '../../support/builders/a-backstop.ts';
import type { Json } from '../../support/builders/a-job.ts';
import {
  createFakeConfigurationStore,
  type FakeConfigurationStore,
} from '../../support/fakes/fake-configuration-store.ts';

const MINUTE = 60_000;
const forbidden = new OperatorError('KUBE_FORBIDDEN', 'no rights');

const aFailedJob = (name = 'bucket-apply', namespace = 'team-a'): JobReference => ({
  ...{ namespace, name, uid: `job-${namespace}-${name}`, resourceVersion: '1' },
});
const anApply: JobConfiguration = { action: 'apply', namespace: 'team-a', name: 'bucket' };
/** The decision about a failed Job. */
const decided = (job: JobReference, configuration: JobConfiguration): ExplainDecision => ({
  ...{ action: 'explain', job, configuration, hasFailed: true, isNews: true, caveats: [], reason: undefined },
});
const unknown: Ending = { kind: 'unknown' };
const aConfiguration = (metadata: Json = {}, state = 'ProvisioningAndChecking'): Json => ({
  metadata: { namespace: 'team-a', name: 'bucket', uid: 'c-a', ...metadata },
  status: { apply: { state } },
});

/** Starts a reporter of failed applies on fake stores, with a clock of its own. */
function start(t: TestContext, change: (store: FakeConfigurationStore) => ConfigurationStore = (store) => store) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const store = createFakeConfigurationStore();
  const deleted = new Set<string>();
  const pods: Json[] = [];
  const lines: string[] = [];
  const put = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log = { error: assert.fail, warn: put('warn'), info: put('info'), debug: () => {} };
  const clock = { ms: 0 };
  const uptimeMs = () => clock.ms;
  const seen = { numbers: {} as Record<string, number> };
  const begin = createFailedApplies({
    jobs: {
      read: async ({ uid }) => (deleted.has(uid) ? undefined : {}),
      async pods(_job, _which, onPod) {
        pods.forEach(onPod);
        return true;
      },
    },
    configurations: change(store),
    ...{ log, uptimeMs, outages: logOncePerOutage(log, uptimeMs) },
    metrics: {
      failedApplies(numbers) {
        seen.numbers = Object.fromEntries(numbers);
      },
    },
  });
  let term = new AbortController();
  t.after(() => term.abort());
  return {
    ...{ store, deleted, pods, lines, seen },
    /** Starts a term of the Lease. */
    begin: () => {
      term = new AbortController();
      return begin(term.signal);
    },
    loseLease: () => term.abort(),
    async pass(minutes: number) {
      for (let minute = 0; minute < minutes; minute += 1) {
        clock.ms += MINUTE;
        t.mock.timers.tick(MINUTE);
        await settled();
      }
    },
  };
}

describe('the report of a failed apply', () => {
  test('a failed apply is one Event on its Configuration and one in the metric, also if its Job is listed again', async (t) => {
    const { store, seen, lines, begin } = start(t);
    const configuration = store.put(aConfiguration());
    const failedApplies = begin();
    for (let time = 0; time < 3; time += 1) {
      failedApplies.add(decided(aFailedJob(), anApply), unknown);
      await settled();
    }
    assert.deepEqual(seen.numbers, { 'team-a': 1 });
    assert.deepEqual(
      store.events.map((one) => [one.configuration, one.event.name, one.event.reason]),
      [[configuration, 'apply-failed.job-team-a-bucket-apply', 'ApplyFailed']],
    );
    assert.deepEqual(lines, ['info failed apply reported on its configuration']);
  });

  test('the Event on the Configuration is repeated every hour while the failure lasts, also if Events expire earlier', async (t) => {
    const { store, lines, begin, pass } = start(t);
    store.put(aConfiguration());
    begin().add(decided(aFailedJob(), anApply), unknown);
    const writtenAt: number[] = [];
    for (let minute = 0; minute <= 190; minute += 1) {
      await settled();
      if (store.events.length > 0) writtenAt.push(minute);
      store.expireEvents();
      await pass(1);
    }
    assert.deepEqual(writtenAt, [0, 60, 120, 180]);
    assert.equal(lines.length, 4);
  });

  test('a repeated Event keeps how the Job ended after its Pod was deleted, but no longer names a log', async (t) => {
    const { store, pods, begin, pass } = start(t);
    store.put(aConfiguration());
    const terminated = { exitCode: 7, reason: 'Error', finishedAt: '2030-01-01T00:00:00Z' };
    pods.push({
      metadata: { name: 'pod-1', creationTimestamp: '2030-01-01T00:00:00Z' },
      spec: { containers: [{ name: 'terraform-executor' }] },
      status: { phase: 'Failed', containerStatuses: [{ name: 'terraform-executor', state: { terminated } }] },
    });
    begin().add(decided(aFailedJob(), anApply), unknown);
    await settled();
    const note = () => store.events[0]?.event.note ?? '';
    assert.match(
      note(),
      /terraform-executor of Pod pod-1 exited with code 7.* Its log: `kubectl -n team-a logs pod-1 /,
    );
    pods.length = 0;
    store.expireEvents();
    await pass(60);
    assert.match(note(), /terraform-executor of Pod pod-1 exited with code 7.* Any log is deleted with the Pod\./);
  });

  test('an Event that exists when the daemon starts is not written again before it has expired', async (t) => {
    const { store, lines, begin, pass } = start(t);
    store.put(aConfiguration());
    await store.writeEvent(
      { namespace: 'team-a', name: 'bucket', uid: 'c-a' },
      { name: 'apply-failed.job-team-a-bucket-apply', reason: 'ApplyFailed', action: 'explain', note: 'before' },
    );
    begin().add(decided(aFailedJob(), anApply), unknown);
    await pass(30);
    assert.deepEqual([store.events.length, lines], [1, []]);
    store.expireEvents();
    await pass(6);
    assert.deepEqual([store.events.length, lines], [1, ['info failed apply reported on its configuration']]);
  });

  test('after the loss of the Lease the metric is empty and no Event is written; with the Lease the hour continues', async (t) => {
    const { store, seen, begin, loseLease, pass } = start(t);
    store.put(aConfiguration());
    begin().add(decided(aFailedJob(), anApply), unknown);
    await settled();
    store.expireEvents();
    loseLease();
    assert.deepEqual(seen.numbers, {});
    const reads = store.reads();
    await pass(90);
    assert.deepEqual([store.reads(), store.events, seen.numbers], [reads, [], {}]);

    begin().add(decided(aFailedJob(), anApply), unknown);
    await settled();
    assert.equal(store.events.length, 1, 'the hour has passed');
    store.expireEvents();
    loseLease();
    begin().add(decided(aFailedJob(), anApply), unknown);
    await pass(50);
    assert.deepEqual([store.events, seen.numbers], [[], { 'team-a': 1 }]);
  });

  test('a failed apply no longer counts when its Configuration is Available or was deleted', async (t) => {
    const { store, seen, begin, pass } = start(t);
    const first = store.put(aConfiguration());
    begin().add(decided(aFailedJob(), anApply), unknown);
    await settled();
    store.put(aConfiguration({}, 'Available'));
    await pass(1);
    assert.deepEqual(seen.numbers, {});
    store.put(aConfiguration());
    await pass(1);
    assert.deepEqual(seen.numbers, { 'team-a': 1 });
    store.remove(first);
    await pass(1);
    assert.deepEqual(seen.numbers, {});
  });

  test('a failed destroy counts while its Configuration is being deleted', async (t) => {
    const { store, seen, begin, pass } = start(t);
    store.put(aConfiguration({ deletionTimestamp: '2030-01-01T00:00:00Z' }));
    begin().add(decided(aFailedJob('bucket-destroy'), { ...anApply, action: 'destroy' }), unknown);
    await settled();
    assert.deepEqual(
      [seen.numbers, store.events.map(({ event }) => event.reason)],
      [{ 'team-a': 1 }, ['DestroyFailed']],
    );
    store.put(aConfiguration());
    await pass(1);
    assert.deepEqual(seen.numbers, {});
  });

  test('with --controller-namespace the Configuration of the uid is reported, and not one of the same name', async (t) => {
    const { store, seen, begin, pass } = start(t);
    store.put(aConfiguration());
    const mine = store.put(aConfiguration({ namespace: 'team-b', uid: 'c-b' }));
    begin().add(decided(aFailedJob('c-b-apply', 'jobs'), { action: 'apply', uid: 'c-b', name: 'bucket' }), unknown);
    await settled();
    assert.deepEqual([seen.numbers, store.events.map(({ configuration }) => configuration)], [{ 'team-b': 1 }, [mine]]);
    // The Configuration was deleted, and a different Configuration has its name.
    store.put(aConfiguration({ namespace: 'team-b', uid: 'another' }));
    await pass(1);
    assert.deepEqual(seen.numbers, {});
  });

  test('with --controller-namespace the Configuration is looked for in all namespaces only once, also if it does not count or was deleted', async (t) => {
    const found: (string | undefined)[] = [];
    const { store, seen, begin, pass } = start(t, (store) => ({
      ...store,
      read(key) {
        found.push(key.namespace);
        return store.read(key);
      },
    }));
    const configuration = store.put(aConfiguration({ namespace: 'team-b', uid: 'c-b' }, 'Available'));
    begin().add(decided(aFailedJob('c-b-apply', 'jobs'), { action: 'apply', uid: 'c-b', name: 'bucket' }), unknown);
    await settled();
    await pass(2);
    store.remove(configuration);
    await pass(2);
    assert.deepEqual(seen.numbers, {});
    assert.deepEqual(found, [undefined, ...Array(4).fill('team-b')]);
  });

  test('a failed apply whose Configuration cannot be read counts in the namespace of its Job, with one warning', async (t) => {
    let isRefused = true;
    const { store, seen, lines, begin, pass } = start(t, (store) => ({
      ...store,
      read: (key) => (isRefused ? Promise.reject(forbidden) : store.read(key)),
    }));
    const configuration = store.put(aConfiguration({ namespace: 'team-b', uid: 'c-b' }));
    begin().add(decided(aFailedJob('c-b-apply', 'jobs'), { action: 'apply', uid: 'c-b', name: 'bucket' }), unknown);
    await pass(10);
    assert.deepEqual([seen.numbers, store.events], [{ jobs: 1 }, []]);
    assert.deepEqual(lines, ['warn cannot read configurations, failed applies are reported on their jobs only']);
    isRefused = false;
    await pass(1);
    assert.deepEqual([seen.numbers, store.events.map((one) => one.configuration)], [{ 'team-b': 1 }, [configuration]]);
  });

  test('a failed apply counts as before while the API server does not answer', async (t) => {
    let isAway = false;
    const { store, seen, lines, begin, pass } = start(t, (store) => ({
      ...store,
      read: (key) => (isAway ? Promise.reject(away) : store.read(key)),
    }));
    store.put(aConfiguration());
    store.put(aConfiguration({ name: 'done', uid: 'c-d' }, 'Available'));
    const failedApplies = begin();
    failedApplies.add(decided(aFailedJob(), anApply), unknown);
    failedApplies.add(decided(aFailedJob('done-apply'), { ...anApply, name: 'done' }), unknown);
    await settled();
    isAway = true;
    await pass(3);
    assert.deepEqual(seen.numbers, { 'team-a': 1 });
    assert.deepEqual(lines.slice(1), ['warn cannot check a failed apply']);
  });

  test('a failed apply that is removed while its Configuration is read does not count afterwards', async (t) => {
    const answer = Promise.withResolvers<void>();
    const { store, seen, begin } = start(t, (store) => ({
      ...store,
      read: (key) => answer.promise.then(() => store.read(key)),
    }));
    store.put(aConfiguration());
    const failedApplies = begin();
    failedApplies.add(decided(aFailedJob(), anApply), unknown);
    await settled();
    failedApplies.remove(aFailedJob().uid);
    answer.resolve();
    await settled();
    assert.deepEqual([seen.numbers, store.events], [{}, []]);
  });

  test('an Event on a Configuration that cannot be written is tried again at each check, with one warning', async (t) => {
    let failures = 3;
    const { store, lines, begin, pass } = start(t, (store) => ({
      ...store,
      writeEvent: (...args) => (--failures < 0 ? store.writeEvent(...args) : Promise.reject(forbidden)),
    }));
    store.put(aConfiguration());
    begin().add(decided(aFailedJob(), anApply), unknown);
    await settled();
    await pass(3);
    assert.equal(store.events.length, 1);
    assert.deepEqual(lines, [
      'warn cannot write a configuration event',
      'info failed apply reported on its configuration',
    ]);
  });

  test('a removed Job no longer counts at once, and a Job that was deleted unseen after a minute', async (t) => {
    const { store, deleted, seen, begin, pass } = start(t);
    store.put(aConfiguration());
    store.put(aConfiguration({ name: 'other', uid: 'c-o' }));
    const failedApplies = begin();
    failedApplies.add(decided(aFailedJob(), anApply), unknown);
    failedApplies.add(decided(aFailedJob('other-apply'), { ...anApply, name: 'other' }), unknown);
    await settled();
    assert.deepEqual(seen.numbers, { 'team-a': 2 });
    failedApplies.remove(aFailedJob().uid);
    assert.deepEqual(seen.numbers, { 'team-a': 1 });
    deleted.add(aFailedJob('other-apply').uid);
    await pass(1);
    assert.deepEqual(seen.numbers, {});
    const reads = store.reads();
    await pass(5);
    assert.equal(store.reads(), reads, 'nothing is checked any more');
  });

  test('at most ten failed applies are checked again in a second, and beyond 5,000 a warning is logged', async (t) => {
    const { store, seen, lines, begin, pass } = start(t);
    const failedApplies = begin();
    for (let nth = 0; nth < 5_010; nth += 1) {
      store.put(aConfiguration({ name: `c-${nth}`, uid: `c-${nth}` }));
      failedApplies.add(decided(aFailedJob(`c-${nth}-apply`), { ...anApply, name: `c-${nth}` }), unknown);
    }
    for (let turn = 0; turn < 200; turn += 1) await settled();
    assert.ok(lines.includes('warn too many failed applies, some are not reported'));
    const number = seen.numbers['team-a'] ?? 0;
    assert.ok(number >= 5_000 && number < 5_010, `${number}`);
    const reads = store.reads();
    await pass(8);
    assert.ok(store.reads() - reads <= 8 * 600, `${store.reads() - reads}`);
  });
});

test('byNamespace() counts the first fifty namespaces apart and the others together', () => {
  const names = Array.from({ length: 60 }, (_one, nth) => `team-${nth}`);
  const numbers = byNamespace([...names, 'team-0', 'team-59']);
  assert.equal(numbers.size, 51);
  assert.deepEqual([numbers.get('team-0'), numbers.get('team-49'), numbers.get('team-50')], [2, 1, undefined]);
  assert.equal(numbers.get('other namespaces'), 11);
});
