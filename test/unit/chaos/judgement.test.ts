import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ableSince, excuseOf, type Scene, wasHurtBefore } from '../../chaos/judgement.ts';
import type { Trouble, Window } from '../../chaos/windows.ts';

const at = (second: number) => new Date(Date.parse('2026-03-01T12:00:00Z') + second * 1_000);

/** Returns a window from second `from` to second `to`; without `to` the fault lasts. */
const aWindow = (trouble: Trouble, target: number, from: number, to?: number): Window => ({
  trouble,
  target,
  from: at(from),
  to: to === undefined ? undefined : at(to),
});

const aScene = (windows: readonly Window[], killed: readonly number[] = []): Scene => ({
  windows,
  kills: killed.map((second) => ({ from: at(second), to: at(second) })),
  replicas: 2,
});

const aFailure = (sent: number, answered: number, via = 0) => ({
  name: 'apply',
  sentAt: at(sent),
  answeredAt: at(answered),
  outcome: 'unmutated' as const,
  via,
  detail: '',
});

describe('a Job that was not capped is', () => {
  const cases: readonly (readonly [string, string, Scene])[] = [
    ['broken where nothing was wrong', 'broken', aScene([])],
    ['broken where one of two replicas was down', 'broken', aScene([aWindow('replica-down', 0, 0)])],
    [
      'broken where both were down, but never at once',
      'broken',
      aScene([aWindow('replica-down', 0, 9, 10.4), aWindow('replica-down', 1, 10.5, 12)]),
    ],
    [
      'nobody’s fault where both were down at once',
      'no replica lived',
      aScene([aWindow('replica-down', 0, 9, 10.6), aWindow('replica-down', 1, 10.5, 12)]),
    ],
    ['broken where trust was cut before', 'broken', aScene([aWindow('trust-cut', 0, 8, 9.9)])],
    ['excused where trust was cut', 'trust was cut', aScene([aWindow('trust-cut', 0, 10.9)])],
    ['broken where it was cut at another API server', 'broken', aScene([aWindow('trust-cut', 1, 10, 11)])],
    ['excused by its own API server', 'API server or etcd away', aScene([aWindow('api-server', 0, 10, 11)])],
    ['broken where another API server was away', 'broken', aScene([aWindow('api-server', 1, 10, 11)])],
    ['excused by etcd', 'API server or etcd away', aScene([aWindow('etcd', 0, 10, 11)])],
    ['broken where a replica stood still for two seconds', 'broken', aScene([aWindow('replica-frozen', 0, 9, 11)])],
    ['excused from four on', 'inside of a frozen replica', aScene([aWindow('replica-frozen', 0, 8, 12)])],
    ['excused by a kill on its way', 'inside of a killed process', aScene([aWindow('replica-down', 0, 10.5)], [10.5])],
    ['broken where links alone were cut', 'broken', aScene([aWindow('link', 0, 0), aWindow('link', 1, 0)])],
  ];
  for (const [name, excuse, scene] of cases) {
    it(name, () => assert.equal(excuseOf(aFailure(10, 11), scene), excuse));
  }
});

describe('a replica can repair', () => {
  const span = { from: at(10), to: at(30) };
  const since = (...windows: readonly Window[]) =>
    (ableSince(aScene(windows), span).getTime() - at(0).getTime()) / 1_000;

  it('a repair can start at the damage if a replica is running', () => {
    assert.equal(since(), 10);
    assert.equal(since(aWindow('replica-down', 0, 5, 20)), 10);
  });

  it('a repair can start when the first replica is running again', () => {
    assert.equal(since(aWindow('replica-down', 0, 5, 20), aWindow('replica-down', 1, 8, 25)), 20);
    assert.equal(since(aWindow('replica-down', 0, 5, 20), aWindow('link', 1, 8, 25)), 20);
  });

  it('a repair can start when an API server and etcd are available again', () => {
    assert.equal(since(aWindow('etcd', 0, 12, 14), aWindow('api-server', 1, 15, 17)), 17);
  });

  it('wasHurtBefore reports a fault shortly before the damage', () => {
    const scene = aScene([aWindow('replica-frozen', 1, 0, 5)]);
    assert.deepEqual([wasHurtBefore(scene, at(10), 4_000), wasHurtBefore(scene, at(10), 6_000)], [false, true]);
  });
});
