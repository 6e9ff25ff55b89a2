import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Circumstances, judgeJob } from '../../src/backstop-judgement.ts';
import { terraformPolicy } from '../../src/policy.ts';
import { aJob, aTerraformJob, type JobFields, type Json } from '../support/a-job.ts';

const now = new Date('2030-01-01T12:00:00.500Z');
const reference = { namespace: 'team-a', name: 'oss-bucket-apply', uid: 'u-1', resourceVersion: '7' };
const condition = (type: string, status = 'True', lastTransitionTime = now.toISOString()) => ({
  type,
  status,
  lastTransitionTime,
});
const failedAgo = (ms: number) => [condition('Failed', 'True', new Date(now.getTime() - ms).toISOString())];

/** As the API server has it; in a list, so without its kind. */
function aStoredJob(fields: JobFields = {}, metadata: object = {}, build = aTerraformJob): Json {
  const { kind: _kind, apiVersion: _version, ...job } = build(fields);
  const stored = { uid: 'u-1', resourceVersion: '7', creationTimestamp: '2030-01-01T11:00:00Z', ...metadata };
  return { ...job, metadata: { ...job.metadata, ...stored } };
}

const judge = (job: unknown, circumstances: Partial<Circumstances> = {}) =>
  judgeJob(job, { policy: terraformPolicy, heal: 'all', startedAt: now, now, ...circumstances });

const cap = { action: 'cap', job: reference, from: 2147483647, to: 0 };
const leave = { action: 'leave' };

describe('a Job that is not over', () => {
  test('is capped where it is retried, guarded by what was seen', () => {
    assert.deepEqual(judge(aStoredJob()), cap);
    assert.deepEqual(judge({ ...aStoredJob(), kind: 'Job' }), cap);
    assert.deepEqual(judge(aStoredJob({ backoffLimit: undefined })), { ...cap, from: undefined });
  });

  const left: Readonly<Record<string, Json>> = {
    'is at its limit': aStoredJob({ backoffLimit: 0 }),
    'is nobody’s business': aStoredJob({}, {}, aJob),
    'has opted out': aStoredJob({}, { annotations: { 'terraform.job.kb.io/keep-retries': 'true' } }),
    'is being deleted': aStoredJob({ deletionTimestamp: '2030-01-01T11:59:00Z' }),
    'is complete': aStoredJob({ conditions: [condition('Complete')] }),
    'has failed': aStoredJob({ conditions: [condition('Failed')] }),
    'has no resourceVersion': aStoredJob({}, { resourceVersion: undefined }),
    'has no spec': { ...aStoredJob(), spec: null },
  };
  for (const [what, job] of Object.entries(left)) {
    test(`is left alone where it ${what}`, () => assert.deepEqual(judge(job), leave));
  }

  test('is capped where the annotation says anything but true, or a condition does not hold', () => {
    const annotations = { 'terraform.job.kb.io/keep-retries': 'false' };
    assert.deepEqual(judge(aStoredJob({}, { annotations })), cap);
    assert.deepEqual(judge(aStoredJob({ conditions: [condition('Failed', 'False'), condition('Suspended')] })), cap);
  });

  test('is left alone with --heal=off', () => assert.deepEqual(judge(aStoredJob(), { heal: 'off' }), leave));

  test('is capped with --heal=new from the second on in which the daemon was started', () => {
    const created = (creationTimestamp?: string) => judge(aStoredJob({}, { creationTimestamp }), { heal: 'new' });
    assert.deepEqual(created('2030-01-01T11:59:59Z'), leave);
    assert.deepEqual(created('2030-01-01T12:00:00Z'), cap);
    assert.deepEqual(created(undefined), leave);
  });
});

describe('a Job that has failed', () => {
  const ran = (fields: JobFields = {}) => aStoredJob({ backoffLimit: 0, restartPolicy: 'Never', ...fields });
  const explain = { action: 'explain', job: reference, isLogKept: true };

  test('is explained for ten minutes, also where nothing is healed', () => {
    for (const heal of ['all', 'new', 'off'] as const) {
      assert.deepEqual(judge(ran({ conditions: failedAgo(600_000) }), { heal }), explain);
    }
    assert.deepEqual(judge(ran({ conditions: failedAgo(600_001) })), leave);
    assert.deepEqual(judge(ran({ conditions: failedAgo(-60_000) })), explain, 'by a clock that is ahead');
  });

  test('tells that its log may be gone where the Pod could be started again', () => {
    const verdict = judge(ran({ restartPolicy: 'OnFailure', conditions: failedAgo(0) }));
    assert.deepEqual(verdict, { ...explain, isLogKept: false });
  });

  test('is not explained where it is complete, was retried, or is nobody’s business', () => {
    assert.deepEqual(judge(ran({ conditions: [condition('Complete')] })), leave);
    assert.deepEqual(judge(ran({ backoffLimit: 3, conditions: failedAgo(0) })), leave);
    assert.deepEqual(judge(aStoredJob({ backoffLimit: 0, conditions: failedAgo(0) }, {}, aJob)), leave);
    assert.deepEqual(judge(ran({ conditions: [{ type: 'Failed', status: 'True' }] })), leave);
  });
});

test('anything at all is judged, and what is no Job is left alone', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(judge(value), leave)));
  const damaged = fc.dictionary(fc.constantFrom('metadata', 'spec', 'status'), fc.jsonValue());
  fc.assert(fc.property(damaged, (fields) => assert.ok(judge({ ...aStoredJob(), ...fields }).action)));
});
