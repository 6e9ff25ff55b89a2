import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { readJob } from '../../../src/policy/job.ts';
import { caveatsOf, mustKeepRestartPolicy } from '../../../src/policy/retry-fields.ts';
import { aTerraformJob, executor, type Json } from '../../support/builders/a-job.ts';

const rules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }];
const onInit = (fields: object) => ({ initContainers: [{ name: 'init', ...fields }] });
const onExecutor = (fields: object) => ({ containers: [{ ...executor, ...fields }] });

const twice = 'with restartPolicy OnFailure a container may start twice';
const ignored = 'podFailurePolicy ignores some failures, and their Pods are replaced';
const restarted = 'a container has its own restartPolicy or restartPolicyRules, and may start again';
const elsewhere = 'spec.managedBy names another controller, which may retry';
const ends = 'the first Pod that fails ends the other Pods of the Job';

/** Each row: fields of the spec, fields of the spec of the Pod, whether restartPolicy stays, and the caveats. */
const rows: [name: string, spec: Json, podSpec: Json, isKept: boolean, caveats: string[]][] = [
  ['no further field', {}, {}, false, []],
  ['podFailurePolicy with Ignore', { podFailurePolicy: { rules: [{ action: 'Ignore' }] } }, {}, true, [ignored]],
  ['podFailurePolicy with FailJob', { podFailurePolicy: { rules: [{ action: 'FailJob' }] } }, {}, true, []],
  ['podFailurePolicy without rules', { podFailurePolicy: { rules: null } }, {}, true, []],
  ['podFailurePolicy null', { podFailurePolicy: null }, {}, false, []],
  ['a container with OnFailure', {}, onExecutor({ restartPolicy: 'OnFailure' }), true, [restarted]],
  ['a container with Always', {}, onExecutor({ restartPolicy: 'Always' }), true, [restarted]],
  ['a container with Never', {}, onExecutor({ restartPolicy: 'Never' }), false, []],
  ['a container with restartPolicy null', {}, onExecutor({ restartPolicy: null }), false, []],
  ['a container with rules', {}, onExecutor({ restartPolicyRules: rules }), true, [restarted]],
  ['a container with an empty list of rules', {}, onExecutor({ restartPolicyRules: [] }), false, []],
  ['a sidecar', {}, onInit({ restartPolicy: 'Always' }), false, []],
  ['an init container with OnFailure', {}, onInit({ restartPolicy: 'OnFailure' }), false, [restarted]],
  ['an init container with Never', {}, onInit({ restartPolicy: 'Never' }), false, []],
  ['an init container with rules', {}, onInit({ restartPolicyRules: rules }), true, [restarted]],
  ['initContainers null', {}, { initContainers: null }, false, []],
  ['managedBy another controller', { managedBy: 'example.com/queue' }, {}, false, [elsewhere]],
  ['managedBy the Job controller', { managedBy: 'kubernetes.io/job-controller' }, {}, false, []],
  ['parallelism 2', { parallelism: 2 }, {}, false, [ends]],
  ['completions 2', { completions: 2 }, {}, false, [ends]],
  ['completions 2 and managedBy', { completions: 2, managedBy: 'x' }, {}, false, [elsewhere, ends]],
];

suite('the retry fields of a Job', () => {
  const jobWith = (spec: Json, podSpec: Json) => {
    const sketch = aTerraformJob(podSpec);
    const job = readJob({ ...sketch, spec: { ...sketch.spec, ...spec } });
    assert.ok(!('problem' in job));
    return job;
  };
  for (const [name, spec, podSpec, isKept, caveats] of rows) {
    test(`mustKeepRestartPolicy is ${isKept} for a Job with ${name}, and caveatsOf returns ${caveats.length} caveats`, () => {
      const job = jobWith(spec, podSpec);
      assert.equal(mustKeepRestartPolicy(job), isKept);
      assert.deepEqual(caveatsOf(job, { backoffLimit: 0, restartPolicy: 'Never' }), caveats);
    });
  }

  test('with OnFailure and the limit 0 a container may start twice, and a higher limit allows that anyway', () => {
    const job = jobWith({ parallelism: 2 }, {});
    assert.deepEqual(caveatsOf(job, { backoffLimit: 0, restartPolicy: 'OnFailure' }), [twice, ends]);
    assert.deepEqual(caveatsOf(job, { backoffLimit: 3, restartPolicy: 'OnFailure' }), []);
  });
});
