import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideJob, type JobContext } from '../../../src/backstop/decide.ts';
import { type Match, type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
import { aJob, aTerraformJob, type JobFields, type Json } from '../../support/builders/a-job.ts';

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

const decide = (job: unknown, context: Partial<JobContext> = {}) =>
  decideJob(job, { policy: terraformPolicy, heal: 'all', startedAt: now, now, ...context });

const cap = { action: 'cap', job: reference, from: 2147483647, to: 0 };
const leave = { action: 'leave' };

describe('a Job that is not over', () => {
  test('is capped where it is retried, guarded by what was seen', () => {
    assert.deepEqual(decide(aStoredJob()), cap);
    assert.deepEqual(decide({ ...aStoredJob(), kind: 'Job' }), cap);
    assert.deepEqual(decide(aStoredJob({ backoffLimit: undefined })), { ...cap, from: undefined });
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
    test(`is left alone where it ${what}`, () => assert.deepEqual(decide(job), leave));
  }

  test('is capped where the annotation says anything but true, or a condition does not hold', () => {
    const annotations = { 'terraform.job.kb.io/keep-retries': 'false' };
    assert.deepEqual(decide(aStoredJob({}, { annotations })), cap);
    assert.deepEqual(decide(aStoredJob({ conditions: [condition('Failed', 'False'), condition('Suspended')] })), cap);
  });

  test('is left alone with --heal=off', () => assert.deepEqual(decide(aStoredJob(), { heal: 'off' }), leave));

  test('is capped with --heal=new from the start of the daemon on, and 5 s before: clocks differ', () => {
    const created = (creationTimestamp?: string) => decide(aStoredJob({}, { creationTimestamp }), { heal: 'new' });
    assert.deepEqual(created('2030-01-01T11:59:55Z'), leave);
    assert.deepEqual(created('2030-01-01T11:59:56Z'), cap);
    assert.deepEqual(created('2030-01-01T12:00:05Z'), cap);
    assert.deepEqual(created(undefined), leave);
  });
});

describe('the decision about a stored Job is that about an UPDATE without a change', () => {
  const only = (match: Partial<Match>, backoffLimit = 0): Policy => ({
    rules: [
      {
        name: 'only',
        match: { containerName: 'terraform-executor', ...match },
        set: { backoffLimit, restartPolicy: 'Never' },
      },
    ],
  });
  test('whether its spec was updated since or not', () => {
    for (const metadata of [{ generation: 1 }, { generation: 2 }, {}]) {
      assert.deepEqual(decide(aStoredJob({}, metadata), { policy: only({}) }), cap);
    }
  });

  test('and its restartPolicy is left as it is, which cannot be changed any more', () => {
    assert.deepEqual(decide(aStoredJob({ backoffLimit: 0, restartPolicy: 'OnFailure' }, { generation: 1 })), leave);
  });

  const generated = { generateName: 'oss-bucket-', name: 'oss-bucket-x7b2k' };
  const named = only({ jobName: 'oss-*' }, 3);
  const long = `oss-${'a'.repeat(60)}`;
  const rows: readonly [string, object, number | undefined][] = [
    ['takes a Job with a generated name as one without a name', generated, 0],
    [
      'takes a Job with a generated name of 63 characters as one without a name',
      { generateName: long, name: `${long.slice(0, 58)}x7b2k` },
      0,
    ],
    ['reads a name that does not begin with generateName', { ...generated, generateName: 'another-' }, 3],
    [
      'reads a name that the API server cannot have generated from generateName',
      { ...generated, name: 'oss-bucket-apply' },
      3,
    ],
    ['reads the name of a Job with an empty generateName', { ...generated, generateName: '' }, 3],
    ['reads the name of a Job without generateName', { name: 'oss-bucket-x7b2k' }, 3],
  ];
  for (const [what, metadata, to] of rows) {
    test(`and ${what}`, () => {
      const policy = { rules: [...named.rules, ...terraformPolicy.rules] };
      const decision = decide(aStoredJob({}, metadata), { policy });
      assert.equal(decision.action === 'cap' && decision.to, to);
    });
  }

  test('also where it has failed', () => {
    const failed = { backoffLimit: 0, restartPolicy: 'OnFailure', conditions: failedAgo(0) };
    const action = (policy: Policy, generation: number) =>
      decide(aStoredJob(failed, { generation }), { policy }).action;
    assert.deepEqual([action(only({}), 1), action(only({}), 2)], ['explain', 'explain']);
    assert.equal(action(only({}, 3), 1), 'leave', 'somebody else wanted 0');
  });

  test('needs the labels of the namespace if a rule depends on them, and only then', () => {
    const policy = {
      ...only({ labels: { tier: 'gold' }, jobName: 'oss-*' }),
      namespaceSelector: { matchLabels: { team: 'a' } },
    };
    const failed = { backoffLimit: 0, conditions: failedAgo(0) };
    for (const [fields, action] of [
      [{}, 'cap'],
      [failed, 'explain'],
    ] as const) {
      const job = aStoredJob(fields, { labels: { tier: 'gold' } });
      const actions = [undefined, { team: 'a' }, { team: 'b' }].map(
        (namespaceLabels) => decide(job, { policy, namespaceLabels }).action,
      );
      assert.deepEqual(actions, ['ask', action, 'leave']);
      assert.deepEqual(decide(aStoredJob(fields), { policy }), leave);
    }
  });
});

describe('a Job that has failed', () => {
  const ran = (fields: JobFields = {}) => aStoredJob({ backoffLimit: 0, restartPolicy: 'Never', ...fields });
  const explain = { action: 'explain', job: reference, isLogKept: true, reason: undefined };

  test('is explained for ten minutes, also where nothing is healed', () => {
    for (const heal of ['all', 'new', 'off'] as const) {
      assert.deepEqual(decide(ran({ conditions: failedAgo(600_000) }), { heal }), explain);
    }
    assert.deepEqual(decide(ran({ conditions: failedAgo(600_001) })), leave);
    assert.deepEqual(decide(ran({ conditions: failedAgo(-60_000) })), explain, 'by a clock that is ahead');
  });

  test('tells that its log may be gone where the Pod could be started again', () => {
    const decision = decide(ran({ restartPolicy: 'OnFailure', conditions: failedAgo(0) }));
    assert.deepEqual(decision, { ...explain, isLogKept: false });
  });

  test('tells another reason than its limit, after which the log may be gone', () => {
    const ended = (reason: string) => decide(ran({ conditions: failedAgo(0).map((one) => ({ ...one, reason })) }));
    assert.deepEqual(ended('BackoffLimitExceeded'), explain);
    const end = { isLogKept: false, reason: 'DeadlineExceeded' };
    assert.deepEqual(ended('DeadlineExceeded'), { ...explain, ...end });
  });

  test('is not explained where it is complete, was retried, is being deleted, or is nobody’s business', () => {
    assert.deepEqual(decide(ran({ conditions: [condition('Complete')] })), leave);
    assert.deepEqual(decide(ran({ backoffLimit: 3, conditions: failedAgo(0) })), leave);
    assert.deepEqual(decide(aStoredJob({ backoffLimit: 0, conditions: failedAgo(0) }, {}, aJob)), leave);
    assert.deepEqual(decide(ran({ conditions: [{ type: 'Failed', status: 'True' }] })), leave);
    assert.deepEqual(decide(ran({ conditions: failedAgo(0), deletionTimestamp: now.toISOString() })), leave);
  });
});

test('the decision about any JSON does not throw, and leaves alone what is not a Job', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(decide(value), leave)));
  const damaged = fc.dictionary(fc.constantFrom('metadata', 'spec', 'status'), fc.jsonValue());
  fc.assert(fc.property(damaged, (fields) => assert.ok(decide({ ...aStoredJob(), ...fields }).action)));
});
