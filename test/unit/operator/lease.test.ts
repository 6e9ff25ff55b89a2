import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import { decideLease, holdLease, type LeaseFindings, leaseTimings, stillHolds } from '../../../src/operator/lease.ts';
import type { Lease } from '../../../src/stores/lease-store.ts';
import { eventually, promptly } from '../../support/eventually.ts';

const LEASE_MS = leaseTimings.validMs;
const now = new Date('2030-01-01T12:00:00Z');
const renewed = (agoMs: number, holder = 'other/1'): Lease => ({
  holder,
  renewedAt: new Date(now.getTime() - agoMs),
  resourceVersion: '7',
});

describe('decideLease', () => {
  const sight: LeaseFindings = { lease: undefined, identity: 'pod/2', isFirstCheck: true, unchangedMs: 0, now };
  const rows: Readonly<Record<string, [Partial<LeaseFindings>, ReturnType<typeof decideLease>]>> = {
    'the Lease does not exist': [{}, 'create'],
    'the Lease was released': [{ lease: { ...renewed(0), holder: undefined } }, 'take'],
    'this process holds the Lease': [{ lease: renewed(0, 'pod/2') }, 'renew'],
    'this process holds the Lease and renewed it long ago': [{ lease: renewed(LEASE_MS * 2, 'pod/2') }, 'renew'],
    'another replica holds a valid Lease': [{ lease: renewed(LEASE_MS - 1) }, 'wait'],
    'the Lease of another replica has expired': [{ lease: renewed(LEASE_MS) }, 'take'],
    'the Lease of another replica has no renewTime': [{ lease: { ...renewed(0), renewedAt: undefined } }, 'take'],
    'renewTime is in the future and the Lease was unchanged for its whole duration': [
      { lease: renewed(-3_600_000), unchangedMs: LEASE_MS },
      'take',
    ],
    'renewTime is in the future and the Lease was unchanged for less than its duration': [
      { lease: renewed(-3_600_000), unchangedMs: LEASE_MS - 1 },
      'wait',
    ],
    'an earlier process on this host holds the Lease at the first check': [{ lease: renewed(0, 'pod/1') }, 'take'],
    'another process on this host holds the Lease at a later check': [
      { lease: renewed(0, 'pod/1'), isFirstCheck: false },
      'wait',
    ],
  };
  for (const [what, [seen, expected]] of Object.entries(rows)) {
    test(`decideLease returns ${expected} if ${what}`, () => {
      const lease = seen.lease && 'holder' in seen.lease ? seen.lease : undefined;
      assert.equal(decideLease({ ...sight, ...seen, lease }), expected);
    });
  }
});

/** A Lease in memory, and one replica that acquires it whenever it is free. */
function start(
  t: TestContext,
  {
    lease,
    error = () => undefined,
    reading = async () => {},
    onLoss = () => {},
  }: {
    lease?: Lease;
    error?: () => OperatorError | undefined;
    reading?: () => Promise<void>;
    onLoss?: () => void;
  } = {},
) {
  let stored = lease;
  const reported: string[] = [];
  const changes: boolean[] = [];
  const stop = new AbortController();
  t.after(() => stop.abort());
  const write = (holder: string | undefined) => {
    stored = { holder, renewedAt: new Date(), resourceVersion: String(Number(stored?.resourceVersion ?? 0) + 1) };
    return true;
  };
  const store = {
    reference: 'ops/lease',
    async read() {
      const problem = error();
      if (problem) throw problem;
      const found = stored;
      await reading();
      return found;
    },
    create: async (holder: string) => write(holder),
    write: async (holder: string | undefined, version: string) =>
      version === stored?.resourceVersion ? write(holder) : false,
  };
  const tell = (message: string) => void reported.push(message);
  const log: Log = { error: assert.fail, warn: tell, info: tell, debug: tell };
  const onChange = (isHolder: boolean) => {
    if (isHolder || reported.includes('begun')) reported.push(isHolder ? 'begun' : 'ended');
    changes.push(isHolder);
    if (!isHolder && !stop.signal.aborted) onLoss();
  };
  const metrics = { etcdRestored: () => void reported.push('counted') };
  const options = { identity: 'pod/2', now: () => new Date(), log, metrics, signal: stop.signal, onChange };
  const ended = holdLease(store, options);
  const restore = (lease: Lease) => {
    stored = lease;
  };
  return { reported, changes, ended, stop: () => stop.abort(), stored: () => stored, write, restore };
}

const forbidden = new OperatorError('KUBE_FORBIDDEN', 'no rights');

describe('holdLease', { concurrency: true, timeout: 300_000 }, () => {
  test('holdLease starts the backstop at once if the Lease is free, and releases the Lease at the stop', async (t) => {
    const { reported, ended, stop, stored } = start(t);
    await eventually(() => assert.equal(reported.at(-1), 'begun'));
    assert.equal(stored()?.holder, 'pod/2');
    stop();
    await promptly(ended);
    assert.deepEqual(reported, ['started watching jobs', 'begun', 'ended']);
    assert.equal(stored()?.holder, undefined);
  });

  test('holdLease waits while another replica holds the Lease, and does not release it at the stop', async (t) => {
    const { reported, changes, ended, stop, stored } = start(t, { lease: { ...renewed(0), renewedAt: new Date() } });
    await new Promise(setImmediate);
    stop();
    await promptly(ended);
    assert.deepEqual([reported, changes, stored()?.holder], [[], [false], 'other/1']);
  });

  test('holdLease stops the backstop after another replica has taken the Lease', async (t) => {
    const { reported, write } = start(t);
    await eventually(() => assert.equal(reported.at(-1), 'begun'));
    write('other/1');
    await eventually(() => assert.deepEqual(reported.slice(-2), ['stopped watching jobs: lease lost', 'ended']));
  });

  test('holdLease restarts the backstop if another replica held and released the Lease between two checks', async (t) => {
    const { changes, write } = start(t);
    await eventually(() => assert.deepEqual(changes, [true]));
    write('other/1');
    write(undefined);
    await eventually(() => assert.deepEqual(changes, [true, false, true]));
  });

  test('holdLease restarts the backstop and reports once that etcd was restored, if the Lease is an older copy', async (t) => {
    const lease = renewed(0, 'pod/2');
    const { reported, changes, stored, write, restore } = start(t, { lease });
    await eventually(() => assert.equal(stored()?.resourceVersion, '8'));
    // The copy is as old as the last read of the Lease, so the version has not decreased since that read.
    restore(lease);
    const report = ['etcd was restored to an older revision', 'counted', 'ended', 'started watching jobs', 'begun'];
    await eventually(() => assert.deepEqual(reported.slice(-5), report), { withinMs: 60_000 });
    assert.deepEqual([changes, stored()?.resourceVersion], [[true, false, true], '8']);
    const other = Array.from({ length: 3 }, () => write('pod/2'));
    await eventually(() => assert.ok(Number(stored()?.resourceVersion) > 8 + other.length), { withinMs: 60_000 });
    assert.equal(reported.filter((line) => line === 'counted').length, 1);
  });

  test('holdLease keeps the backstop running if an annotation of the Lease causes a write conflict', async (t) => {
    let foreign = () => {};
    const { reported, write, stored } = start(t, {
      reading: async () => foreign(),
    });
    await eventually(() => assert.equal(reported.at(-1), 'begun'));
    foreign = () => {
      foreign = () => {};
      write('pod/2');
    };
    const before = Number(stored()?.resourceVersion);
    await eventually(() => assert.equal(Number(stored()?.resourceVersion), before + 2), { withinMs: 60_000 });
    assert.deepEqual(reported, ['started watching jobs', 'begun']);
  });

  test('holdLease releases the Lease if the stop comes while it takes the Lease', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { reported, ended, stop, stored } = start(t, { reading: () => promise });
    await new Promise(setImmediate);
    stop();
    resolve();
    await promptly(ended);
    assert.deepEqual([reported, stored()?.holder], [[], undefined]);
    assert.equal(stored()?.resourceVersion, '2', 'it was taken, and given back');
  });

  test('holdLease releases the Lease if the stop comes while an earlier run of the backstop is still ending', async (t) => {
    const asked: { stop: () => void } = { stop: assert.fail };
    const { changes, ended, stop, stored, write } = start(t, { onLoss: () => asked.stop() });
    asked.stop = stop;
    await eventually(() => assert.deepEqual(changes, [true]));
    write('other/1');
    write(undefined);
    await promptly(ended, { withinMs: 30_000 });
    assert.deepEqual([changes, stored()?.holder], [[true, false], undefined]);
  });

  test('holdLease ends within three seconds of the stop if the API server never responds', async (t) => {
    let isHung = false;
    const { reported, ended, stop } = start(t, { reading: () => (isHung ? new Promise(() => {}) : Promise.resolve()) });
    await eventually(() => assert.equal(reported.at(-1), 'begun'));
    isHung = true;
    stop();
    await promptly(ended, { withinMs: 30_000 });
  });

  test('holdLease starts the backstop without the Lease, with one warning, if RBAC forbids the Lease for longer than its duration', async (t) => {
    const { reported, ended, stop } = start(t, { error: () => forbidden });
    await eventually(() => assert.equal(reported.at(-1), 'begun'), { withinMs: 60_000 });
    stop();
    await promptly(ended);
    assert.deepEqual(reported.slice(0, 3), [
      'lease unavailable, watching jobs without it',
      'started watching jobs',
      'begun',
    ]);
  });

  test('holdLease does not start the backstop if the first checks were forbidden and another replica holds the Lease', async (t) => {
    let looks = 0;
    const lease = { ...renewed(0), renewedAt: new Date() };
    const { reported } = start(t, { lease, error: () => (looks++ === 0 ? forbidden : undefined) });
    await eventually(() => assert.equal(looks, 3), { withinMs: 60_000 });
    assert.deepEqual(reported, []);
  });

  test('holdLease does not start the backstop while the API server is unavailable for less than the Lease duration', async (t) => {
    const { reported, ended, stop } = start(t, { error: () => new OperatorError('KUBE_UNAVAILABLE', 'away') });
    await new Promise(setImmediate);
    stop();
    await promptly(ended);
    assert.deepEqual(reported, []);
  });
});

describe('stillHolds', () => {
  const holds = (read: () => Promise<Lease | undefined>) => {
    const store = { reference: 'ops/lease', read, create: assert.fail, write: assert.fail };
    return stillHolds(store, { identity: 'pod/2', now: () => now, signal: new AbortController().signal });
  };
  const rows: Readonly<Record<string, [Lease | undefined, boolean]>> = {
    'this replica holds the Lease': [renewed(LEASE_MS * 2, 'pod/2'), true],
    'another replica holds the Lease': [renewed(LEASE_MS - 1), false],
    'the other holder no longer renews the Lease, and this replica cannot write it': [renewed(LEASE_MS), true],
    'the Lease was released': [{ ...renewed(0), holder: undefined }, true],
    'the Lease was deleted': [undefined, true],
  };
  for (const [what, [lease, expected]] of Object.entries(rows)) {
    test(`stillHolds returns ${expected} if ${what}`, async () =>
      assert.equal(await holds(async () => lease), expected));
  }
  test('stillHolds counts this replica as the Lease holder if the Lease cannot be read', async () => {
    assert.equal(await holds(() => Promise.reject(forbidden)), true);
  });
  test('stillHolds counts this replica as the Lease holder if the API server does not respond in time', async () => {
    assert.equal(
      await promptly(
        holds(() => new Promise(() => {})),
        { withinMs: 5_000 },
      ),
      true,
    );
  });
});
