import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { isBeingDeleted, isFinished, readJob } from '../../../src/policy/job.ts';
import { aJob, aTerraformJob, executor, type Json } from '../../support/builders/a-job.ts';
import { recordedReviews } from '../../support/builders/fixtures.ts';

function broken(part: 'spec' | 'template' | 'podSpec', value: unknown): Json {
  const job = aTerraformJob();
  if (part === 'spec') job.spec = value;
  if (part === 'template') job.spec.template = value;
  if (part === 'podSpec') job.spec.template.spec = value;
  return job;
}

suite('reading a Job', () => {
  test('readJob returns the parts that a decision needs', () => {
    const job = aTerraformJob();
    assert.deepEqual(readJob(job), {
      containers: [executor],
      name: 'oss-bucket-apply',
      labels: {},
      annotations: {},
      serviceAccountName: 'tf-executor-service-account',
      backoffLimit: 2147483647,
      restartPolicy: 'OnFailure',
      spec: job.spec,
      podSpec: job.spec.template.spec,
    });
  });

  for (const { name, review } of recordedReviews) {
    test(`readJob reads the Job of a recorded request: ${name}`, () =>
      assert.ok(!('problem' in readJob(review.request.object))));
  }

  test('readJob reads a Job without the optional fields', () => {
    const job = aJob({ backoffLimit: undefined, restartPolicy: undefined, serviceAccountName: undefined });
    const { backoffLimit, restartPolicy, serviceAccountName } = readJob(job) as Json;
    assert.deepEqual([backoffLimit, restartPolicy, serviceAccountName], [undefined, undefined, undefined]);
  });

  test('readJob reads null as an absent field', () => {
    const job = aJob({ backoffLimit: null, restartPolicy: null, serviceAccountName: null });
    assert.ok(!('problem' in readJob(job)));
  });

  test('readJob ignores invalid values in fields that no decision needs', () => {
    const job = { ...aJob({ initContainers: 'none' }), metadata: 7, status: [], novelty: null };
    assert.ok(!('problem' in readJob(job)));
  });
});

suite('reading an invalid Job', () => {
  const spec = 'object.spec';
  const podSpec = 'object.spec.template.spec';
  const rows: [name: string, object: unknown, problem: string][] = [
    ['undefined', undefined, 'object: required: must be a Job'],
    ['null', null, 'object: invalid value null: must be a Job'],
    ['a list instead of a Job', [], 'object: invalid value an empty list: must be a Job'],
    ['an object of another kind', { ...aJob(), kind: 'Pod' }, 'object.kind: invalid value "Pod": must be "Job"'],
    ['an object without kind', { ...aJob(), kind: undefined }, 'object.kind: required: must be "Job"'],
    ['a Job without spec', broken('spec', undefined), `${spec}: required: must be an object`],
    ['a Job with a null spec', broken('spec', null), `${spec}: invalid value null: must be an object`],
    ['a Job without Pod template', broken('template', undefined), `${spec}.template: required: must be an object`],
    [
      'a Job whose Pod template is a string',
      broken('template', 'x'),
      `${spec}.template: invalid value "x": must be an object`,
    ],
    ['a Job without Pod spec', broken('podSpec', undefined), `${podSpec}: required: must be an object`],
    [
      'a Job whose Pod spec is a list',
      broken('podSpec', []),
      `${podSpec}: invalid value an empty list: must be an object`,
    ],
    [
      'a Job without containers',
      aJob({ containers: undefined }),
      `${podSpec}.containers: required: must be a list of objects`,
    ],
    [
      'a Job whose containers are an object',
      aJob({ containers: { a: executor } }),
      `${podSpec}.containers: invalid value an object: must be a list of objects`,
    ],
    [
      'a Job with a container that is a string',
      aJob({ containers: [executor, 'terraform-executor'] }),
      `${podSpec}.containers: invalid value a list: must be a list of objects`,
    ],
    [
      'a Job whose service account is a number',
      aJob({ serviceAccountName: 1 }),
      `${podSpec}.serviceAccountName: invalid value 1: must be a string`,
    ],
    [
      'a Job whose restartPolicy is a list',
      aJob({ restartPolicy: [] }),
      `${podSpec}.restartPolicy: invalid value an empty list: must be a string`,
    ],
    [
      'a Job whose backoffLimit is a string',
      aJob({ backoffLimit: '6' }),
      `${spec}.backoffLimit: invalid value "6": must be a number`,
    ],
    [
      'a Job whose backoffLimit is true',
      aJob({ backoffLimit: true }),
      `${spec}.backoffLimit: invalid value true: must be a number`,
    ],
  ];
  for (const [name, object, problem] of rows) {
    test(`readJob refuses ${name}`, () => assert.deepEqual(readJob(object), { problem }));
  }
});

suite('a stored Job has finished or is being deleted', () => {
  const failed = aJob({ conditions: [{ type: 'Failed', status: 'True' }] });
  const deleted = aJob({ deletionTimestamp: '2026-11-23T09:35:34Z' });
  const ofSeveral = [
    { type: 'Suspended', status: 'False' },
    { type: 'Failed', status: 'True' },
  ];
  const rows: [name: string, stored: unknown, finished: boolean, beingDeleted: boolean][] = [
    ['a Job that has failed', failed, true, false],
    ['a Job that is complete', aJob({ conditions: [{ type: 'Complete', status: 'True' }] }), true, false],
    ['a Job with several conditions, one of them Failed', aJob({ conditions: ofSeveral }), true, false],
    ['a Job with a deletionTimestamp', deleted, false, true],
    ['a Job with Failed=False', aJob({ conditions: [{ type: 'Failed', status: 'False' }] }), false, false],
    ['a Job with Complete=Unknown', aJob({ conditions: [{ type: 'Complete', status: 'Unknown' }] }), false, false],
    ['a suspended Job', aJob({ conditions: [{ type: 'Suspended', status: 'True' }] }), false, false],
    ['a running Job', aJob(), false, false],
    ['conditions of null', aJob({ conditions: null }), false, false],
    ['a condition of null', aJob({ conditions: [null] }), false, false],
    ['a deletionTimestamp of null', aJob({ deletionTimestamp: null }), false, false],
    ['a Job without metadata and status', { kind: 'Job' }, false, false],
    ['a status of null', { ...aJob(), status: null }, false, false],
    ['null, as on CREATE', null, false, false],
    ['no value', undefined, false, false],
    ['a list', [deleted], false, false],
  ];
  for (const [name, stored, finished, beingDeleted] of rows) {
    test(`isFinished is ${finished} and isBeingDeleted is ${beingDeleted} for ${name}`, () =>
      assert.deepEqual([isFinished(stored), isBeingDeleted(stored)], [finished, beingDeleted]));
  }
});
