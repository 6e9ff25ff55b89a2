import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createEndingReader } from '../../../src/backstop/ending-reader.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import { logOncePerOutage } from '../../../src/lib/log-once.ts';
import { aMissedJob, settled, startBackstop } from '../../support/builders/a-backstop.ts';
import type { Json } from '../../support/builders/a-job.ts';
import { failedPods } from '../../support/builders/failed-pods.ts';

const forbidden = new OperatorError('KUBE_FORBIDDEN', 'no');
const podOf = (name: string): Json => failedPods[name]?.pod;

/** Returns a failed Job, or one whose Pods the Job controller is still ending. */
function aFailedJob(type: 'Failed' | 'FailureTarget', resourceVersion = '1'): Json {
  const job = aMissedJob('job-0', resourceVersion);
  const at = new Date().toISOString();
  const condition = { type, status: 'True', reason: 'BackoffLimitExceeded', lastTransitionTime: at };
  return { ...job, spec: { ...job.spec, backoffLimit: 0 }, status: { conditions: [condition] } };
}

describe('the Event about a failed Job', () => {
  test('the Event of the backstop says how the Pod of the Job ended', async (t) => {
    const { seen, metrics, lines, change } = startBackstop(t, 0, {
      pods: () => [podOf('an init container that exited')],
    });
    await settled();
    change(aFailedJob('Failed'));
    await settled();
    const [{ reason = '', note = '' } = {}, ...others] = seen.events;
    assert.deepEqual([reason, others, metrics.notRetried], ['NotRetried', [], 1]);
    assert.match(
      note,
      / Init container terraform-init of Pod oss-bucket-apply-x7k2p exited with code 1 \(Error\), so /,
    );
    assert.ok(lines.includes('info job failed, not retried by policy'));
  });

  test('the backstop reads the Pods while the Job controller ends them, and writes the Event after the Job has failed', async (t) => {
    let pods = [podOf('a container whose image cannot be pulled')];
    const { seen, change } = startBackstop(t, 0, { pods: () => pods });
    await settled();
    change(aFailedJob('FailureTarget'));
    await settled();
    assert.deepEqual([seen.events, seen.patched], [[], []]);
    pods = [];
    change(aFailedJob('Failed', '2'));
    await settled();
    assert.match(seen.events[0]?.note ?? '', / did not start \(ImagePullBackOff\)\. To run it again/);
  });

  test('without the right to list Pods the Event says less, and one warning is logged', async (t) => {
    const { seen, lines, change } = startBackstop(t, 0, { pods: () => forbidden });
    await settled();
    for (const version of ['1', '2', '3']) {
      change(aFailedJob('Failed', version));
      await settled();
    }
    assert.match(seen.events[0]?.note ?? '', / How its Pod ended is not known\. Its log, if it still exists: /);
    const warnings = lines.filter((line) => line.startsWith('warn'));
    assert.deepEqual(warnings, ['warn cannot list pods, events about failed jobs say less']);
  });
});

describe('what was seen before the Job has failed', () => {
  const job = { namespace: 'team-a', name: 'a', uid: 'u-1', resourceVersion: '7' };
  const failing = { job, reason: undefined, hasFailed: false };
  const failed = { ...failing, hasFailed: true };
  function aReader() {
    const state: { pods: readonly Json[] | Promise<readonly Json[]>; isComplete: boolean } = {
      pods: [podOf('a container that exited')],
      isComplete: true,
    };
    const outages = logOncePerOutage({ warn: assert.fail, debug: assert.fail });
    const pods = async (_job: unknown, which: string, onPod: (pod: unknown) => void) => {
      assert.equal(which, 'all');
      (await state.pods).forEach(onPod);
      return state.isComplete;
    };
    return { state, reader: createEndingReader({ pods }, outages) };
  }

  test('a Job none of whose Pods can be seen has the ending unknown, and not that it has no Pod', async () => {
    const { state, reader } = aReader();
    state.isComplete = false;
    assert.equal((await reader.read(failed)).kind, 'exited', 'what was seen counts');
    state.pods = [];
    assert.equal((await reader.read(failed)).kind, 'unknown');
    const late = await reader.read({ ...failed, reason: 'DeadlineExceeded' });
    assert.deepEqual(late, { kind: 'deadline', pod: undefined });
  });

  test('it counts also if the Job has failed before the Pods were read', async () => {
    const { state, reader } = aReader();
    const slow = Promise.withResolvers<readonly Json[]>();
    state.pods = slow.promise;
    const first = reader.read(failing);
    state.pods = [];
    const last = reader.read(failed);
    slow.resolve([podOf('a container that exited')]);
    assert.deepEqual([(await first).kind, (await last).kind], ['exited', 'exited']);
    assert.equal((await reader.read(failed)).kind, 'pod-gone', 'it is forgotten then');
  });

  test('a later read in which the Pods are gone keeps it', async () => {
    const { state, reader } = aReader();
    await reader.read(failing);
    state.pods = [];
    await reader.read(failing);
    assert.equal((await reader.read(failed)).kind, 'exited');
  });

  test('it is forgotten when the Job was deleted, and for the oldest Job when more than 1,000 Jobs fail at once', async () => {
    const { state, reader } = aReader();
    const uids = [...Array(1_001).keys()].map((nth) => ({ ...job, uid: `u-${nth}` }));
    for (const one of uids) await reader.read({ ...failing, job: one });
    reader.forget('u-1000');
    state.pods = [];
    const kinds = await Promise.all(
      [0, 1, 999, 1000].map(async (nth) => (await reader.read({ ...failed, job: uids[nth] ?? job })).kind),
    );
    assert.deepEqual(kinds, ['pod-gone', 'exited', 'exited', 'pod-gone']);
  });
});
