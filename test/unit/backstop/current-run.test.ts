import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { capForRun, podRun } from '../../../src/backstop/current-run.ts';
import type { CapDecision } from '../../../src/backstop/decide.ts';

const job = { namespace: 'team-a', name: 'oss-bucket-apply', uid: 'u-1', resourceVersion: '7' };
const cap: CapDecision = { action: 'cap', job, from: 2147483647, to: 0, mark: '{}', reason: 'policy', needsPods: true };
const running = { running: { startedAt: '2030-01-01T12:00:00Z' } };
const done = { terminated: { exitCode: 0 } };
const failed = { terminated: { exitCode: 1 } };
const crashed = { waiting: { reason: 'CrashLoopBackOff' } };
const waiting = { waiting: { reason: 'PodInitializing' } };

type Container = readonly [state: object, restartCount?: number];

/** Returns a Pod whose init containers are `init`, and whose last init container is the sidecar, if there is one. */
function aPod({ init = [], main = [], sidecar }: { init?: Container[]; main?: Container[]; sidecar?: Container }) {
  const named = (kind: string, containers: readonly Container[]) =>
    containers.map(([state, restartCount = 0], nth) => ({ name: `${kind}-${nth}`, state, restartCount }));
  const spec = (kind: string, containers: readonly Container[], restartPolicy?: string) =>
    named(kind, containers).map(({ name }) => ({ name, restartPolicy }));
  const sidecars = sidecar ? [sidecar] : [];
  return {
    spec: {
      initContainers: [...spec('init', init), ...spec('sidecar', sidecars, 'Always')],
      containers: spec('main', main),
    },
    status: {
      initContainerStatuses: [...named('init', init), ...named('sidecar', sidecars)],
      containerStatuses: named('main', main),
    },
  };
}

const decide = (...pods: unknown[]) => {
  const decision = capForRun(cap, pods.map(podRun), true);
  return decision && [decision.to, decision.reason];
};

describe('the cap of a Job with OnFailure and a Pod', () => {
  const rows: Readonly<Record<string, readonly [pods: unknown[], to: number, reason?: string]>> = {
    'does not exist is the limit of the policy': [[], 0],
    'has no status yet is the limit of the policy': [[{ spec: { containers: [{ name: 'main' }] } }], 0],
    'is in its first run is the limit of the policy': [[aPod({ main: [[running]] })], 0],
    'is in its second run is one more than its restarts': [[aPod({ main: [[running, 1]] })], 2, 'retried'],
    'is in its fifth run is one more than its restarts': [[aPod({ main: [[running, 4]] })], 5, 'retried'],
    'runs for the first time after an init container was restarted is one more than its restarts': [
      [aPod({ init: [[done, 2]], main: [[running]] })],
      3,
      'retried',
    ],
    'is between two init containers after a restart is one more than its restarts': [
      [
        aPod({
          init: [
            [done, 1],
            [waiting, 0],
          ],
          main: [[waiting]],
        }),
      ],
      2,
      'retried',
    ],
    'waits for its next restart is the limit of the policy': [[aPod({ main: [[crashed, 3]] })], 0],
    'has just failed is the limit of the policy': [[aPod({ init: [[done]], main: [[failed, 1]] })], 0],
    'has an init container that waits for its next restart is the limit of the policy': [
      [aPod({ init: [[crashed, 3]], main: [[waiting]] })],
      0,
    ],
    'has a sidecar is six more than its restarts': [
      [aPod({ main: [[running]], sidecar: [running] })],
      6,
      'shared-restarts',
    ],
    'has a sidecar that was restarted is six more than its restarts': [
      [aPod({ main: [[running, 1]], sidecar: [running, 2] })],
      9,
      'shared-restarts',
    ],
    'waits for its next restart beside a running sidecar is the limit of the policy': [
      [aPod({ main: [[crashed, 1]], sidecar: [running] })],
      0,
    ],
    'runs while its sidecar waits for its next restart is six more than its restarts': [
      [aPod({ main: [[running]], sidecar: [crashed, 5] })],
      11,
      'shared-restarts',
    ],
    'has two containers, one of which has failed, is six more than its restarts': [
      [aPod({ main: [[running], [crashed, 1]] })],
      7,
      'shared-restarts',
    ],
    'is one of two Pods is six more than their restarts': [
      [aPod({ main: [[running, 1]] }), aPod({ main: [[running, 1]] })],
      8,
      'shared-restarts',
    ],
    'is malformed is the limit of the policy': [[{ spec: { containers: 1 }, status: { containerStatuses: [1] } }], 0],
  };
  for (const [what, [pods, to, reason = 'policy']] of Object.entries(rows)) {
    test(`the cap of a Job whose Pod ${what}`, () => assert.deepEqual(decide(...pods), [to, reason]));
  }
});

describe('capForRun', () => {
  const second = [podRun(aPod({ main: [[running, 4]] }))];

  test('capForRun never raises the limit of the Job, and leaves a limit with which the run can finish', () => {
    for (const from of [5, 4, 1]) assert.equal(capForRun({ ...cap, from }, second, true), undefined);
    assert.equal(capForRun({ ...cap, from: 6 }, second, true)?.to, 5);
    assert.equal(capForRun({ ...cap, from: undefined }, second, true)?.to, 5);
  });

  test('capForRun allows six more restarts than it sees if not all Pods can be seen, but never raises the limit', () => {
    const seen: readonly [pods: unknown[], to: number][] = [
      [[], 6],
      [[aPod({ main: [[running]] })], 6],
      [[aPod({ main: [[crashed, 3]] })], 9],
      [[aPod({ main: [[running, 1]], sidecar: [running, 2] }), aPod({ main: [[failed]] })], 9],
    ];
    for (const [pods, to] of seen) {
      const runs = pods.map(podRun);
      assert.deepEqual(capForRun(cap, runs, false), { ...cap, to, reason: 'unknown-run' });
      assert.equal(capForRun({ ...cap, from: to }, runs, false), undefined);
      assert.deepEqual(capForRun({ ...cap, to: 10 }, runs, false), { ...cap, to: 10 });
    }
  });

  test('capForRun keeps the limit of the policy if it is higher than needed', () => {
    const decision: CapDecision = { ...cap, to: 10 };
    assert.equal(capForRun(decision, second, true), decision);
  });

  test('capForRun returns the lowest limit with which the Job controller does not end a run of one container', () => {
    // pastBackoffLimitOnFailure of the Job controller.
    const endsRun = (limit: number, restarts: number) => (limit === 0 ? restarts > 0 : restarts >= limit);
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), (to, ofInit, ofMain) => {
        const run = podRun(aPod({ init: [[done, ofInit]], main: [[running, ofMain]] }));
        const decision = capForRun({ ...cap, to }, [run], true);
        const restarts = ofInit + ofMain;
        assert.ok(decision && !endsRun(decision.to, restarts) && decision.to >= to);
        assert.ok(decision.to === to || endsRun(decision.to - 1, restarts));
        assert.ok(decision.to === to || endsRun(decision.to, restarts + 1), 'the next failure ends the Job');
      }),
    );
  });
});
