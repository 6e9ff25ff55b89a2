import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfiguration } from '../../../../src/commands/applies/apply.ts';
import {
  afterConflict,
  planRetry,
  progressOf,
  type RetryState,
  runOf,
} from '../../../../src/commands/applies/retry-plan.ts';
import { anApply, aStoredConfiguration, type StoredJobFields } from '../../../support/builders/an-apply.ts';

const TARGET = { namespace: 'team-a', name: 'oss-bucket' };
const FAILED = { types: ['Failed'] };
const state = (jobs: readonly StoredJobFields[], fields: Partial<RetryState> = {}): RetryState => ({
  configuration: readConfiguration(aStoredConfiguration()),
  applies: jobs.map(anApply),
  elsewhere: [],
  isPartial: false,
  ...fields,
});
const NOW = new Date('2026-11-29T12:00:00Z');
const plan = (...args: Parameters<typeof state>) =>
  planRetry({ target: TARGET, namespace: undefined, kubeconfig: undefined }, state(...args), NOW);
const why = (...args: Parameters<typeof state>) => {
  const planned = plan(...args);
  assert.equal(planned.step, 'refuse');
  return planned.why;
};

describe('the plan of a retry', () => {
  it('a failed Job is run again', () => {
    const planned = plan([FAILED]);
    assert.equal(planned.step, 'retry');
    assert.deepEqual([planned.action, planned.apply.job.uid], ['apply', 'job-1']);
  });

  it('a Configuration that is being deleted has its destroy run again', () => {
    const configuration = readConfiguration(aStoredConfiguration({ isBeingDeleted: true }));
    const planned = plan([{ ...FAILED, name: 'oss-bucket-destroy' }], { configuration });
    assert.equal(planned.step, 'retry');
    assert.deepEqual([planned.action, planned.configuration.state], ['destroy', 'Destroying']);
  });

  it('a Job that runs, has succeeded or is being deleted is refused', () => {
    assert.match(why([{}]), /^Job team-a\/oss-bucket-apply still runs\. Its log:\n {2}kubectl -n team-a logs job\//);
    assert.match(why([{ types: ['FailureTarget'] }]), / still runs/);
    assert.match(why([{ types: ['Complete'] }]), / has succeeded\./);
    assert.match(why([{ ...FAILED, deletionTimestamp: '2026-11-29T11:00:00Z' }]), / is being deleted\./);
  });

  it('a Configuration that does not exist is refused as unknown', () => {
    const planned = plan([], { configuration: undefined });
    assert.deepEqual(planned, {
      step: 'refuse',
      why: 'Configuration team-a/oss-bucket does not exist',
      isUnknown: true,
    });
  });

  it('the log of a running Job and the annotation have commands with the kubeconfig of the user', () => {
    const named = { target: TARGET, kubeconfig: '/kube' };
    const running = planRetry({ ...named, namespace: undefined }, state([{}]), NOW);
    const touch = planRetry({ ...named, namespace: 'jobs' }, state([], { elsewhere: [] }), NOW);
    for (const planned of [running, touch]) assert.match('why' in planned ? planned.why : '', / --kubeconfig \/kube$/);
  });

  it('two Jobs of one Configuration are refused with both names', () => {
    assert.match(
      why([FAILED, { ...FAILED, namespace: 'vela-system', uid: 'job-2' }]),
      /has 2 Jobs: team-a\/oss-bucket-apply, vela-system\/oss-bucket-apply\. Select .* -n/,
    );
  });

  it('a Configuration that waits without a Job gets only the annotation', () => {
    const beingDeleted = aStoredConfiguration({ state: 'Available', isBeingDeleted: true });
    for (const stored of [aStoredConfiguration(), aStoredConfiguration({ state: '' }), beingDeleted]) {
      assert.equal(plan([], { configuration: readConfiguration(stored) }).step, 'touch');
    }
  });

  it('a Configuration that is Available without a Job is refused, because the annotation would run terraform', () => {
    const configuration = readConfiguration(aStoredConfiguration({ state: 'Available' }));
    assert.match(why([], { configuration }), /is Available and has no apply Job: nothing has failed/);
  });

  it('a namespace of -n without the Job is refused, also if the Configuration waits, and with the Job elsewhere', () => {
    const inJobs = (elsewhere: RetryState['elsewhere']) =>
      planRetry({ target: TARGET, namespace: 'jobs', kubeconfig: undefined }, state([], { elsewhere }), NOW);
    assert.deepEqual(inJobs([anApply(FAILED)]), {
      step: 'refuse',
      why: 'Configuration team-a/oss-bucket has no apply Job in namespace jobs. Its Job is team-a/oss-bucket-apply: leave out -n.',
    });
    const planned = inJobs([]);
    assert.equal(planned.step, 'refuse');
    assert.match(
      planned.why,
      /has no apply Job in namespace jobs\. After an interrupted retry, .*\n {2}kubectl -n team-a annotate .*=2026-11-29T12:00:00\.000Z$/,
    );
  });

  it('a Configuration without a visible Job is refused if the user may not list the Jobs of all namespaces', () => {
    assert.match(why([], { isPartial: true }), /--controller-namespace, set -n to that namespace/);
  });
});

describe('the progress of a retry', () => {
  const ready = (...args: Parameters<typeof state>) => {
    const planned = plan(...args);
    assert.notEqual(planned.step, 'refuse');
    return planned as Exclude<typeof planned, { step: 'refuse' }>;
  };
  const again = ready([FAILED]);
  const destroy = readConfiguration(aStoredConfiguration({ isBeingDeleted: true }));
  const recreated = readConfiguration({ ...aStoredConfiguration(), metadata: { ...TARGET, uid: 'another' } });

  it('waits for a Job with another uid', () => {
    assert.deepEqual(progressOf(state([FAILED]), again), { step: 'wait' });
    assert.deepEqual(progressOf(state([]), ready([])), { step: 'wait' });
    assert.equal(progressOf(state([{ uid: 'job-2' }]), again).step, 'created');
    assert.equal(progressOf(state([{ ...FAILED, uid: 'job-2' }]), again).step, 'ended');
    assert.deepEqual(progressOf(state([], { configuration: undefined }), again), { step: 'removed' });
  });

  it('the run of the new Job is known by its uid', () => {
    assert.equal(runOf(state([], { configuration: undefined }), again, 'job-1'), 'removed');
    assert.equal(runOf(state([{ uid: 'job-2' }]), again, 'job-1'), 'gone');
    assert.deepEqual(runOf(state([{}]), again, 'job-1'), anApply({}));
  });

  it('the destroy of a Configuration that was deleted meanwhile is not the new Job of an apply', () => {
    const after = state([{ name: 'oss-bucket-destroy', uid: 'job-2' }], { configuration: destroy });
    assert.deepEqual(progressOf(after, again), { step: 'being-deleted' });
    assert.equal(runOf(after, again, 'job-2'), 'being-deleted');
    assert.equal(afterConflict(after, again, 'job-1'), 'being-deleted');
  });

  it('the Job of a Configuration that was created again is not the new Job', () => {
    const after = state([{ uid: 'job-2' }], { configuration: recreated });
    assert.deepEqual(progressOf(after, again), { step: 'recreated' });
    assert.equal(runOf(after, again, 'job-2'), 'recreated');
    assert.equal(afterConflict(after, again, 'job-1'), 'recreated');
  });

  it('after a conflict, the deletion continues with the new version of the Job, or the Job is deleted', () => {
    assert.deepEqual(afterConflict(state([FAILED]), again, 'job-1'), anApply(FAILED).job);
    assert.equal(afterConflict(state([]), again, 'job-1'), 'deleted');
    assert.equal(afterConflict(state([{ uid: 'job-2' }]), again, 'job-1'), 'deleted');
    const dying = { ...FAILED, deletionTimestamp: '2026-11-29T11:00:00Z' };
    assert.equal(afterConflict(state([dying]), again, 'job-1'), 'deleted');
  });
});
