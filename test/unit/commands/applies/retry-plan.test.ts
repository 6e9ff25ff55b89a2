import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfiguration } from '../../../../src/commands/applies/apply.ts';
import { planRetry, progressOf, type RetryState, runOf } from '../../../../src/commands/applies/retry-plan.ts';
import { anApply, aStoredConfiguration, type StoredJobFields } from '../../../support/builders/an-apply.ts';

const TARGET = { namespace: 'team-a', name: 'oss-bucket' };
const FAILED = { types: ['Failed'] };
const state = (jobs: readonly StoredJobFields[], fields: Partial<RetryState> = {}): RetryState => ({
  configuration: readConfiguration(aStoredConfiguration()),
  applies: jobs.map(anApply),
  isPartial: false,
  ...fields,
});
const plan = (...args: Parameters<typeof state>) => planRetry(TARGET, state(...args));
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

  it('a Configuration without a visible Job is refused if the user may not list the Jobs of all namespaces', () => {
    assert.match(why([], { isPartial: true }), /--controller-namespace, set -n to that namespace/);
  });
});

describe('the progress of a retry', () => {
  it('waits for a Job with another uid', () => {
    assert.deepEqual(progressOf(state([FAILED]), 'job-1'), { step: 'wait' });
    assert.deepEqual(progressOf(state([]), undefined), { step: 'wait' });
    assert.equal(progressOf(state([{ uid: 'job-2' }]), 'job-1').step, 'created');
    assert.equal(progressOf(state([{ ...FAILED, uid: 'job-2' }]), 'job-1').step, 'ended');
    assert.deepEqual(progressOf(state([], { configuration: undefined }), 'job-1'), { step: 'removed' });
  });

  it('the run of the new Job is known by its uid', () => {
    assert.equal(runOf(undefined, 'job-1'), undefined);
    assert.equal(runOf(state([], { configuration: undefined }), 'job-1'), 'removed');
    assert.equal(runOf(state([{ uid: 'job-2' }]), 'job-1'), 'gone');
    assert.deepEqual(runOf(state([{}]), 'job-1'), anApply({}));
  });
});
