import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ScheduleOptions, scheduleOf } from '../../chaos/schedule.ts';

const options: ScheduleOptions = {
  lengthMs: 300_000,
  replicas: 2,
  servers: 2,
  secretDamages: ['deleted', 'junk'],
  registrationDamages: ['emptied', 'rules edited'],
  canJump: true,
};

describe('the schedule of a chaos run', () => {
  it('the chaos schedule depends only on its seed', () => {
    assert.deepEqual(scheduleOf(7, options), scheduleOf(7, options));
    assert.notDeepEqual(scheduleOf(7, options), scheduleOf(8, options));
  });

  it('the chaos schedule of five minutes has every fault and every damage, for any seed', () => {
    for (let seed = 0; seed < 100; seed++) {
      const actions = scheduleOf(seed, options);
      assert.equal(new Set(actions.map(({ kind }) => kind)).size, 14, `seed ${seed}`);
      const damages = actions.flatMap((action) => ('damage' in action ? [action.damage] : []));
      assert.equal(new Set(damages).size, 4, `seed ${seed}`);
    }
  });

  it('the chaos schedule sorts its actions by time, ends each action within its length, and names only existing replicas and servers', () => {
    const actions = scheduleOf(3, options);
    const times = actions.map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    for (const action of actions) {
      assert.ok(action.atMs + action.forMs <= options.lengthMs);
      if ('replica' in action) assert.ok([0, 1].includes(action.replica));
      if ('server' in action) assert.ok([0, 1].includes(action.server));
    }
  });

  it('the chaos schedule has no clock jump if clocks cannot be set', () => {
    const kinds = scheduleOf(3, { ...options, canJump: false }).map(({ kind }) => kind);
    assert.equal(kinds.includes('clock-jump'), false);
  });
});
