import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { isOver, readJob } from '../../../src/policy/job.ts';
import { aJob, aTerraformJob, executor, type Json } from '../../support/builders/a-job.ts';
import { recordedReviews } from '../../support/builders/fixtures.ts';

/** Returns a Job in which one part has any value, which `aTerraformJob` does not allow. */
function broken(part: 'spec' | 'template' | 'podSpec', value: unknown): Json {
  const job = aTerraformJob();
  if (part === 'spec') job.spec = value;
  if (part === 'template') job.spec.template = value;
  if (part === 'podSpec') job.spec.template.spec = value;
  return job;
}

suite('a Job is read', () => {
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

suite('an invalid Job', () => {
  const spec = 'object.spec';
  const podSpec = 'object.spec.template.spec';
  const rows: [name: string, object: unknown, problem: string][] = [
    ['nothing', undefined, 'object: required: must be a Job'],
    ['null', null, 'object: invalid value null: must be a Job'],
    ['a list', [], 'object: invalid value an empty list: must be a Job'],
    ['another kind', { ...aJob(), kind: 'Pod' }, 'object.kind: invalid value "Pod": must be "Job"'],
    ['no kind', { ...aJob(), kind: undefined }, 'object.kind: required: must be "Job"'],
    ['no spec', broken('spec', undefined), `${spec}: required: must be an object`],
    ['a null spec', broken('spec', null), `${spec}: invalid value null: must be an object`],
    ['no template', broken('template', undefined), `${spec}.template: required: must be an object`],
    ['a template that is a text', broken('template', 'x'), `${spec}.template: invalid value "x": must be an object`],
    ['no Pod spec', broken('podSpec', undefined), `${podSpec}: required: must be an object`],
    ['a Pod spec that is a list', broken('podSpec', []), `${podSpec}: invalid value an empty list: must be an object`],
    ['no containers', aJob({ containers: undefined }), `${podSpec}.containers: required: must be a list of objects`],
    [
      'containers by name',
      aJob({ containers: { a: executor } }),
      `${podSpec}.containers: invalid value an object: must be a list of objects`,
    ],
    [
      'a container that is a text',
      aJob({ containers: [executor, 'terraform-executor'] }),
      `${podSpec}.containers: invalid value a list: must be a list of objects`,
    ],
    [
      'a service account that is a number',
      aJob({ serviceAccountName: 1 }),
      `${podSpec}.serviceAccountName: invalid value 1: must be a string`,
    ],
    [
      'a restart policy that is a list',
      aJob({ restartPolicy: [] }),
      `${podSpec}.restartPolicy: invalid value an empty list: must be a string`,
    ],
    [
      'a backoff limit that is a text',
      aJob({ backoffLimit: '6' }),
      `${spec}.backoffLimit: invalid value "6": must be a number`,
    ],
    [
      'a backoff limit that is true',
      aJob({ backoffLimit: true }),
      `${spec}.backoffLimit: invalid value true: must be a number`,
    ],
  ];
  for (const [name, object, problem] of rows) {
    test(name, () => assert.deepEqual(readJob(object), { problem }));
  }
});

suite('a stored Job is over', () => {
  const rows: [name: string, stored: unknown, isOver: boolean][] = [
    ['when it has failed', aJob({ conditions: [{ type: 'Failed', status: 'True' }] }), true],
    ['when it is complete', aJob({ conditions: [{ type: 'Complete', status: 'True' }] }), true],
    [
      'when any of its conditions says so',
      aJob({
        conditions: [
          { type: 'Suspended', status: 'False' },
          { type: 'Failed', status: 'True' },
        ],
      }),
      true,
    ],
    ['when it is being deleted', aJob({ deletionTimestamp: '2026-11-23T09:35:34Z' }), true],
    ['but not when it has not failed', aJob({ conditions: [{ type: 'Failed', status: 'False' }] }), false],
    ['but not when nobody knows', aJob({ conditions: [{ type: 'Complete', status: 'Unknown' }] }), false],
    ['but not when it is suspended', aJob({ conditions: [{ type: 'Suspended', status: 'True' }] }), false],
    ['but not while it runs', aJob(), false],
    ['but not for conditions of null', aJob({ conditions: null }), false],
    ['but not for a condition of null', aJob({ conditions: [null] }), false],
    ['but not for a deletion of null', aJob({ deletionTimestamp: null }), false],
    ['but not without metadata and status', { kind: 'Job' }, false],
    ['but not with a null status', { ...aJob(), status: null }, false],
    ['but not where there is none, as on CREATE', null, false],
    ['but not where the field is missing', undefined, false],
    ['but not where it is a list', [aJob({ deletionTimestamp: '2026-11-23T09:35:34Z' })], false],
  ];
  for (const [name, stored, expected] of rows) {
    test(`isOver is ${expected}: ${name}`, () => assert.equal(isOver(stored), expected));
  }
});
