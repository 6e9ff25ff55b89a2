import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type ErrorCode, OperatorError } from '../../../src/lib/errors.ts';
import { createOwnership, judgeOwner } from '../../../src/operator/ownership.ts';
import type { OwnerReference } from '../../../src/stores/own-objects.ts';

const owner: OwnerReference = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: 'r',
  uid: 'one',
};

/** An ownership over nothing, of which the owner and the clock are told. */
function anOwnership() {
  const lines: string[] = [];
  const world: { owner: OwnerReference | ErrorCode | undefined; ms: number; looks: number } = {
    owner,
    ms: 0,
    looks: 0,
  };
  const say = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  const ownership = createOwnership({
    readOwner: async () => {
      world.looks += 1;
      if (typeof world.owner === 'string') throw new OperatorError(world.owner, 'no');
      return world.owner;
    },
    ownerName: 'r',
    objects: [],
    log: { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') },
    uptimeMs: () => world.ms,
  });
  const isRefused = () =>
    ownership.refuseIfGone().then(
      () => false,
      (error) => {
        assert.equal(error.code, 'OWNER_GONE');
        return true;
      },
    );
  return { ownership, world, lines, isRefused };
}

describe('making anew what has gone', () => {
  test('is refused for a minute after the owner has vanished', async () => {
    const { ownership, world, isRefused } = anOwnership();
    await ownership.adopt();
    assert.equal(await isRefused(), false);
    world.owner = undefined;
    assert.equal(await isRefused(), true);
    world.ms = 59_999;
    assert.equal(await isRefused(), true);
    world.ms = 60_000;
    assert.equal(await isRefused(), false);
  });

  test('is refused where the right to read the owner has vanished: it stands in the owner', async () => {
    const { ownership, world, isRefused } = anOwnership();
    await ownership.adopt();
    world.owner = 'KUBE_FORBIDDEN';
    assert.equal(await isRefused(), true);
  });

  test('is allowed as soon as there is an owner again, whichever', async () => {
    const { ownership, world, isRefused } = anOwnership();
    await ownership.adopt();
    world.owner = undefined;
    assert.equal(await isRefused(), true);
    world.owner = { ...owner, uid: 'two' };
    assert.equal(await isRefused(), false);
    world.owner = undefined;
    world.ms = 90_000;
    assert.equal(await isRefused(), true, 'the minute begins anew');
  });

  test('is allowed where there never was an owner', async () => {
    for (const never of [undefined, 'KUBE_FORBIDDEN'] as const) {
      const { ownership, world, isRefused } = anOwnership();
      world.owner = never;
      await ownership.adopt();
      assert.equal(await isRefused(), false);
    }
  });

  test('is allowed while the API server does not answer: that is no sign of anything', async () => {
    const { ownership, world, isRefused, lines } = anOwnership();
    await ownership.adopt();
    world.owner = 'KUBE_UNAVAILABLE';
    assert.equal(await isRefused(), false);
    assert.deepEqual(lines, []);
  });
});

describe('after each event the owner is looked at', () => {
  function aClock(t: TestContext) {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { ownership, world } = anOwnership();
    const pass = async (ms: number) => {
      world.ms += ms;
      t.mock.timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { ownership, world, pass };
  }

  test('at once, and for what comes within five seconds of that once more when they are over', async (t) => {
    const { ownership, world, pass } = aClock(t);
    await ownership.adoptInTime();
    assert.equal(world.looks, 1);
    await pass(1_000);
    await ownership.adoptInTime();
    await pass(1_000);
    await ownership.adoptInTime();
    await pass(2_999);
    assert.equal(world.looks, 1);
    await pass(1);
    assert.equal(world.looks, 2);
    await pass(600_000);
    assert.equal(world.looks, 2);
    await ownership.adoptInTime();
    assert.equal(world.looks, 3);
  });

  test('again, where the event comes while one is under way: it may have read that already', async (t) => {
    const { ownership, world, pass } = aClock(t);
    const first = ownership.adoptInTime();
    await ownership.adoptInTime();
    await first;
    assert.equal(world.looks, 1);
    await pass(5_000);
    assert.equal(world.looks, 2);
  });
});

test('that there is no owner is told once, and again after there was one', async () => {
  const { ownership, world, lines } = anOwnership();
  const warnings = () => lines.filter((line) => line.startsWith('warn')).length;
  world.owner = undefined;
  await ownership.adopt();
  await ownership.adopt();
  assert.equal(warnings(), 1);
  world.owner = owner;
  await ownership.adopt();
  world.owner = 'KUBE_FORBIDDEN';
  world.ms = 60_000; // not twice within a minute
  await ownership.adopt();
  assert.equal(warnings(), 2);
});

test('what is not ours, or has the owner already, is not given to it', () => {
  const seen = {
    ...{ uid: 'u', resourceVersion: '1', finalizers: [], isPaused: false, webhooks: [] },
    ...{ holder: undefined, renewedAt: undefined, owners: [], isOthers: false },
  };
  const ours = { ...seen, isOurs: true };
  const shared = { ...ours, webhooks: ['modify.terraform.job.kb.io', 'other.example.com'] };
  assert.equal(judgeOwner(ours, owner), 'give');
  assert.equal(judgeOwner({ ...ours, owners: [{ ...owner, uid: 'before' }] }, owner), 'give');
  assert.equal(judgeOwner({ ...ours, owners: [owner] }, owner), 'leave');
  assert.equal(judgeOwner({ ...seen, isOurs: false }, owner), 'leave');
  assert.equal(judgeOwner({ ...seen, isOurs: false, owners: [owner] }, owner), 'leave');
  assert.equal(judgeOwner(shared, owner), 'leave');
  assert.equal(judgeOwner({ ...shared, owners: [owner] }, owner), 'takeBack');
  const relabelled = { ...seen, isOurs: false, isOthers: true, webhooks: ['modify.terraform.job.kb.io'] };
  assert.equal(judgeOwner(relabelled, owner), 'leave');
  assert.equal(judgeOwner({ ...relabelled, owners: [owner] }, owner), 'takeBack');
  assert.equal(judgeOwner({ ...relabelled, webhooks: [], owners: [owner] }, owner), 'leave', 'no registration');
});
