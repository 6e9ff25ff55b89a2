import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ableSince, excuseOf, type Scene, wasHurtBefore } from '../../chaos/judgement.ts';
import type { Trouble, Window } from '../../chaos/windows.ts';

const at = (second: number) => new Date(Date.parse('2026-03-01T12:00:00Z') + second * 1_000);

/**
 * Returns the record of a fault that lasts from `from` to `to`, in seconds after 12:00. Without `to` the fault has not
 * ended.
 */
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

describe('the excuse for a Job that was not capped', () => {
  const cases: readonly (readonly [string, string, Scene])[] = [
    ['without a fault', 'broken', aScene([])],
    ['if one of two replicas was down', 'broken', aScene([aWindow('replica-down', 0, 0)])],
    [
      'if both replicas were down, but never at the same time',
      'broken',
      aScene([aWindow('replica-down', 0, 9, 10.4), aWindow('replica-down', 1, 10.5, 12)]),
    ],
    [
      'if both replicas were down at the same time',
      'no replica lived',
      aScene([aWindow('replica-down', 0, 9, 10.6), aWindow('replica-down', 1, 10.5, 12)]),
    ],
    ['if the trust was broken only before the request', 'broken', aScene([aWindow('trust-cut', 0, 8, 9.9)])],
    ['if the trust was broken during the request', 'trust was cut', aScene([aWindow('trust-cut', 0, 10.9)])],
    ['if the trust was broken at another API server', 'broken', aScene([aWindow('trust-cut', 1, 10, 11)])],
    ['if the called API server was unavailable', 'API server or etcd away', aScene([aWindow('api-server', 0, 10, 11)])],
    ['if another API server was unavailable', 'broken', aScene([aWindow('api-server', 1, 10, 11)])],
    ['if etcd was unavailable', 'API server or etcd away', aScene([aWindow('etcd', 0, 10, 11)])],
    ['if a replica was frozen for two seconds', 'broken', aScene([aWindow('replica-frozen', 0, 9, 11)])],
    [
      'if a replica was frozen for four seconds',
      'inside of a frozen replica',
      aScene([aWindow('replica-frozen', 0, 8, 12)]),
    ],
    [
      'if a replica was killed during the request',
      'inside of a killed process',
      aScene([aWindow('replica-down', 0, 10.5)], [10.5]),
    ],
    [
      'if only the links of the replicas to the API servers were cut',
      'broken',
      aScene([aWindow('link', 0, 0), aWindow('link', 1, 0)]),
    ],
  ];
  for (const [name, excuse, scene] of cases) {
    it(`excuseOf returns "${excuse}" for a Job that was not capped ${name}`, () =>
      assert.equal(excuseOf(aFailure(10, 11), scene), excuse));
  }
});

describe('the start of the time to repair', () => {
  const span = { from: at(10), to: at(30) };
  const since = (...windows: readonly Window[]) =>
    (ableSince(aScene(windows), span).getTime() - at(0).getTime()) / 1_000;

  it('the time to repair starts at the damage if a replica is running', () => {
    assert.equal(since(), 10);
    assert.equal(since(aWindow('replica-down', 0, 5, 20)), 10);
  });

  it('the time to repair starts when the first replica is running and reachable again', () => {
    assert.equal(since(aWindow('replica-down', 0, 5, 20), aWindow('replica-down', 1, 8, 25)), 20);
    assert.equal(since(aWindow('replica-down', 0, 5, 20), aWindow('link', 1, 8, 25)), 20);
  });

  it('the time to repair starts when an API server and etcd are available again', () => {
    assert.equal(since(aWindow('etcd', 0, 12, 14), aWindow('api-server', 1, 15, 17)), 17);
  });

  it('wasHurtBefore reports a fault shortly before the damage', () => {
    const scene = aScene([aWindow('replica-frozen', 1, 0, 5)]);
    assert.deepEqual([wasHurtBefore(scene, at(10), 4_000), wasHurtBefore(scene, at(10), 6_000)], [false, true]);
  });
});
