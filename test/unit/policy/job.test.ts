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

suite('isOver', () => {
  const rows: [name: string, stored: unknown, isOver: boolean][] = [
    ['a failed Job', aJob({ conditions: [{ type: 'Failed', status: 'True' }] }), true],
    ['a complete Job', aJob({ conditions: [{ type: 'Complete', status: 'True' }] }), true],
    [
      'a Job with Failed as its second condition',
      aJob({
        conditions: [
          { type: 'Suspended', status: 'False' },
          { type: 'Failed', status: 'True' },
        ],
      }),
      true,
    ],
    ['a Job that is being deleted', aJob({ deletionTimestamp: '2026-11-23T09:35:34Z' }), true],
    ['a Job with the condition Failed=False', aJob({ conditions: [{ type: 'Failed', status: 'False' }] }), false],
    [
      'a Job with the condition Complete=Unknown',
      aJob({ conditions: [{ type: 'Complete', status: 'Unknown' }] }),
      false,
    ],
    ['a suspended Job', aJob({ conditions: [{ type: 'Suspended', status: 'True' }] }), false],
    ['a running Job', aJob(), false],
    ['a Job with null conditions', aJob({ conditions: null }), false],
    ['a Job with a null condition', aJob({ conditions: [null] }), false],
    ['a Job with a null deletionTimestamp', aJob({ deletionTimestamp: null }), false],
    ['a Job without metadata and status', { kind: 'Job' }, false],
    ['a Job with a null status', { ...aJob(), status: null }, false],
    ['null, as oldObject of a CREATE', null, false],
    ['undefined', undefined, false],
    ['a list of Jobs', [aJob({ deletionTimestamp: '2026-11-23T09:35:34Z' })], false],
  ];
  for (const [name, stored, expected] of rows) {
    test(`isOver is ${expected} for ${name}`, () => assert.equal(isOver(stored), expected));
  }
});
