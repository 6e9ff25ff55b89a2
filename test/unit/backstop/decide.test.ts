import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideJob, type JobContext, referenceOf } from '../../../src/backstop/decide.ts';
import { type Match, type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
import { aJob, aTerraformJob, executor, type JobFields, type Json } from '../../support/builders/a-job.ts';
import { recordedJob } from '../../support/builders/recorded-jobs.ts';

const now = new Date('2030-01-01T12:00:00.500Z');
const reference = { namespace: 'team-a', name: 'oss-bucket-apply', uid: 'u-1', resourceVersion: '7' };
const condition = (type: string, status = 'True', lastTransitionTime = now.toISOString()) => ({
  type,
  status,
  lastTransitionTime,
});
const failedAgo = (ms: number) => [condition('Failed', 'True', new Date(now.getTime() - ms).toISOString())];

/** Returns a Job as the items of a list have it, without apiVersion and kind. */
function aStoredJob(fields: JobFields = {}, metadata: object = {}, build = aTerraformJob): Json {
  const { kind: _kind, apiVersion: _version, ...job } = build(fields);
  const stored = { uid: 'u-1', resourceVersion: '7', creationTimestamp: '2030-01-01T11:00:00Z', ...metadata };
  return { ...job, metadata: { ...job.metadata, ...stored } };
}

const decide = (job: unknown, context: Partial<JobContext> = {}) =>
  decideJob(job, { policy: terraformPolicy, heal: 'all', startedAt: now, now, ...context });

const mark = (from?: number) => JSON.stringify({ rule: 'terraform', backoffLimit: from });
const cap = {
  ...{ action: 'cap', job: reference, from: 2147483647, to: 0 },
  ...{ mark: mark(2147483647), reason: 'policy', needsPods: false },
};
const leave = { action: 'leave' };

describe('the decision about a Job that has not finished', () => {
  test('decideJob caps a Job whose backoffLimit exceeds the policy, and returns its resourceVersion', () => {
    assert.deepEqual(decide(aStoredJob()), cap);
    assert.deepEqual(decide({ ...aStoredJob(), kind: 'Job' }), cap);
    assert.deepEqual(decide(aStoredJob({ backoffLimit: undefined })), { ...cap, from: undefined, mark: mark() });
  });

  test('decideJob leaves the mark of a Job as it is', () => {
    const annotations = { 'terraform.job.kb.io/capped': 'x' };
    assert.deepEqual(decide(aStoredJob({}, { annotations })), { ...cap, mark: undefined });
  });

  const left: Readonly<Record<string, Json>> = {
    'has the backoffLimit of the policy': aStoredJob({ backoffLimit: 0 }),
    'matches no rule of the policy': aStoredJob({}, {}, aJob),
    'has the annotation keep-retries': aStoredJob({}, { annotations: { 'terraform.job.kb.io/keep-retries': 'true' } }),
    'is being deleted': aStoredJob({ deletionTimestamp: '2030-01-01T11:59:00Z' }),
    'is complete': aStoredJob({ conditions: [condition('Complete')] }),
    'has failed': aStoredJob({ conditions: [condition('Failed')] }),
    'has no resourceVersion': aStoredJob({}, { resourceVersion: undefined }),
    'has no spec': { ...aStoredJob(), spec: null },
  };
  for (const [what, job] of Object.entries(left)) {
    test(`decideJob leaves a Job unchanged if it ${what}`, () => assert.deepEqual(decide(job), leave));
  }

  test('decideJob caps a Job if its annotation keep-retries is false, or its condition Failed is False', () => {
    const annotations = { 'terraform.job.kb.io/keep-retries': 'false' };
    assert.deepEqual(decide(aStoredJob({}, { annotations })), cap);
    assert.deepEqual(decide(aStoredJob({ conditions: [condition('Failed', 'False'), condition('Suspended')] })), cap);
  });

  test('decideJob leaves an uncapped Job unchanged with --heal=off', () =>
    assert.deepEqual(decide(aStoredJob(), { heal: 'off' }), leave));

  test('with --heal=new decideJob caps only Jobs that were created less than 5 s before the daemon started, or later', () => {
    const created = (creationTimestamp?: string) => decide(aStoredJob({}, { creationTimestamp }), { heal: 'new' });
    assert.deepEqual(created('2030-01-01T11:59:55Z'), leave);
    assert.deepEqual(created('2030-01-01T11:59:56Z'), cap);
    assert.deepEqual(created('2030-01-01T12:00:05Z'), cap);
    assert.deepEqual(created(undefined), leave);
  });
});

describe('the decision about a Job with a run in progress', () => {
  const active = (status: object, fields: JobFields = {}) => ({
    ...aStoredJob({ restartPolicy: 'Never', ...fields }),
    status: { active: 1, ...status },
  });

  test('decideJob caps a Job with restartPolicy Never to its failures, so that its current run can finish', () => {
    assert.deepEqual(decide(active({})), cap);
    assert.deepEqual(decide(active({ failed: 2 })), { ...cap, to: 2, reason: 'retried' });
    const uncounted = { failed: 1, uncountedTerminatedPods: { failed: ['p-1'], succeeded: [] } };
    assert.deepEqual(decide(active(uncounted)), { ...cap, to: 2, reason: 'retried' });
  });

  test('decideJob caps a retried Job to the policy while no Pod runs', () => {
    for (const status of [
      { active: 0, failed: 2 },
      { active: undefined, failed: 2 },
    ]) {
      assert.deepEqual(decide(active(status)), cap);
    }
  });

  test('decideJob leaves a limit that ends the Job at its next failure', () => {
    assert.deepEqual(decide(active({ failed: 2 }, { backoffLimit: 2 })), leave);
    assert.deepEqual(decide(active({ failed: 3 }, { backoffLimit: 2 })), leave);
    assert.deepEqual(decide(active({ failed: 2 }, { backoffLimit: 3 })), {
      ...{ ...cap, from: 3, to: 2 },
      ...{ mark: mark(3), reason: 'retried' },
    });
  });

  test('decideJob asks for the Pods of a Job with OnFailure, but only while a Pod runs', () => {
    assert.deepEqual(decide(active({}, { restartPolicy: 'OnFailure' })), { ...cap, needsPods: true });
    assert.deepEqual(decide(active({ active: 0 }, { restartPolicy: 'OnFailure' })), cap);
    const evicted = decide(active({ failed: 2 }, { restartPolicy: 'OnFailure' }));
    assert.deepEqual(evicted, { ...cap, to: 2, reason: 'retried', needsPods: true });
  });
});

describe('decideJob decides about a stored Job as the webhook decides about an UPDATE', () => {
  const only = (match: Partial<Match>, backoffLimit = 0): Policy => ({
    rules: [
      {
        name: 'only',
        match: { containerName: 'terraform-executor', ...match },
        set: { backoffLimit, restartPolicy: 'Never' },
      },
    ],
  });
  test('decideJob ignores the generation of a Job', () => {
    for (const metadata of [{ generation: 1 }, { generation: 2 }, {}]) {
      assert.deepEqual(decide(aStoredJob({}, metadata), { policy: only({}) }), {
        ...cap,
        mark: '{"rule":"only","backoffLimit":2147483647}',
      });
    }
  });

  test('decideJob does not change restartPolicy, which is immutable', () => {
    assert.deepEqual(decide(aStoredJob({ backoffLimit: 0, restartPolicy: 'OnFailure' }, { generation: 1 })), leave);
  });

  const generated = { generateName: 'oss-bucket-', name: 'oss-bucket-x7b2k' };
  const named = only({ jobName: 'oss-*' }, 3);
  const long = `oss-${'a'.repeat(60)}`;
  const rows: readonly [string, object, number | undefined][] = [
    ['with a generated name', generated, 0],
    ['with a generated name of 63 characters', { generateName: long, name: `${long.slice(0, 58)}x7b2k` }, 0],
    ['whose name does not begin with generateName', { ...generated, generateName: 'another-' }, 3],
    [
      'whose name the API server cannot have generated from generateName',
      { ...generated, name: 'oss-bucket-apply' },
      3,
    ],
    ['with an empty generateName', { ...generated, generateName: '' }, 3],
    ['without generateName', { name: 'oss-bucket-x7b2k' }, 3],
  ];
  for (const [what, metadata, to] of rows) {
    test(`decideJob ${to === 3 ? 'compares' : 'does not compare'} match.jobName with the name of a Job ${what}`, () => {
      const policy = { rules: [...named.rules, ...terraformPolicy.rules] };
      const decision = decide(aStoredJob({}, metadata), { policy });
      assert.equal(decision.action === 'cap' && decision.to, to);
    });
  }

  test('decideJob returns explain for a failed Job only if the backoffLimit of the Job is the limit of the policy', () => {
    const failed = { backoffLimit: 0, restartPolicy: 'OnFailure', conditions: failedAgo(0) };
    const action = (policy: Policy, generation: number) =>
      decide(aStoredJob(failed, { generation }), { policy }).action;
    assert.deepEqual([action(only({}), 1), action(only({}), 2)], ['explain', 'explain']);
    assert.equal(action(only({}, 3), 1), 'leave', 'another client set 0');
  });

  test('decideJob asks for the labels of the namespace only if the decision depends on them', () => {
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

describe('the decision about a failed Job', () => {
  const ran = (fields: JobFields = {}) => aStoredJob({ backoffLimit: 0, restartPolicy: 'Never', ...fields });
  const explain = {
    ...{ action: 'explain', job: reference, hasFailed: true, isNews: true, configuration: undefined },
    ...{ caveats: [], reason: undefined },
  };

  test('decideJob returns explain, so that an Event is written, for a Job that failed at most ten minutes ago, with each value of --heal', () => {
    for (const heal of ['all', 'new', 'off'] as const) {
      assert.deepEqual(decide(ran({ conditions: failedAgo(600_000) }), { heal }), explain);
    }
    assert.deepEqual(decide(ran({ conditions: failedAgo(600_001) })), leave);
    assert.deepEqual(decide(ran({ conditions: failedAgo(-60_000) })), explain, 'by a clock that is ahead');
  });

  test('decideJob returns a caveat for a failed Job with restartPolicy OnFailure', () => {
    const decision = decide(ran({ restartPolicy: 'OnFailure', conditions: failedAgo(0) }));
    const caveats = ['with restartPolicy OnFailure a container may start twice'];
    assert.deepEqual(decision, { ...explain, caveats });
  });

  test('decideJob explains a Job of terraform-controller that failed long ago, but not as news', async () => {
    const recorded: Json = await recordedJob('create-terraform-apply', 'team-a');
    const template = { ...recorded.spec.template };
    template.spec = { ...template.spec, restartPolicy: 'Never' };
    const { spec } = recorded;
    const job = { ...ran({ conditions: failedAgo(600_001) }), spec: { ...spec, backoffLimit: 0, template } };
    const configuration = { action: 'apply', namespace: 'team-a', name: 'oss-bucket' };
    assert.deepEqual(decide(job), { ...explain, isNews: false, configuration });
  });

  test('decideJob returns a caveat for a failed Job whose container has its own restartPolicy', () => {
    const containers = [{ ...executor, restartPolicy: 'OnFailure' }];
    const caveats = ['a container has its own restartPolicy or restartPolicyRules, and may start again'];
    assert.deepEqual(decide(ran({ containers, conditions: failedAgo(0) })), { ...explain, caveats });
  });

  test('for a failed Job whose Failed condition has another reason than BackoffLimitExceeded, decideJob returns this reason', () => {
    const ended = (reason: string) => decide(ran({ conditions: failedAgo(0).map((one) => ({ ...one, reason })) }));
    assert.deepEqual(ended('BackoffLimitExceeded'), explain);
    assert.deepEqual(ended('DeadlineExceeded'), { ...explain, reason: 'DeadlineExceeded' });
  });

  test('decideJob returns explain, and does not cap, for a Job whose Pods the Job controller is still ending', () => {
    const conditions = failedAgo(0).map((one) => ({ ...one, type: 'FailureTarget' }));
    assert.deepEqual(decide(ran({ conditions })), { ...explain, hasFailed: false });
    assert.deepEqual(decide(aStoredJob({ backoffLimit: 6, conditions })), leave);
  });

  test('decideJob returns the Configuration of a failed Job of terraform-controller', async () => {
    const { spec, metadata } = await recordedJob('create-terraform-apply', 'team-a');
    const stored = { spec: { ...spec, backoffLimit: 0 }, status: { conditions: failedAgo(0) } };
    const decision = decide({ ...stored, metadata: { ...metadata, uid: 'u-1', resourceVersion: '7' } });
    const configuration = { action: 'apply', namespace: 'team-a', name: 'oss-bucket' };
    assert.deepEqual(decision.action === 'explain' && decision.configuration, configuration);
  });

  test('decideJob explains a failed Job as retried if the backstop capped it to a higher limit for its current run', () => {
    const failed = ran({ backoffLimit: 2, conditions: failedAgo(0) });
    const manager = { manager: 'terraform-daemon', fieldsV1: { 'f:spec': { 'f:backoffLimit': {} } } };
    const capped = { ...failed, metadata: { ...failed.metadata, managedFields: [manager] } };
    assert.deepEqual(decide(capped), { ...explain, caveats: ['it was retried before it was capped'] });
    const twice = ran({ conditions: failedAgo(0) });
    assert.deepEqual(decide({ ...twice, status: { ...twice.status, failed: 2 } }), {
      ...explain,
      caveats: ['it was retried before it was capped'],
    });
  });

  test('decideJob returns leave, so that no Event is written, for a Job that is complete, was retried, is being deleted, or matches no rule', () => {
    assert.deepEqual(decide(ran({ conditions: [condition('Complete')] })), leave);
    assert.deepEqual(decide(ran({ backoffLimit: 3, conditions: failedAgo(0) })), leave);
    assert.deepEqual(decide(aStoredJob({ backoffLimit: 0, conditions: failedAgo(0) }, {}, aJob)), leave);
    assert.deepEqual(decide(ran({ conditions: [{ type: 'Failed', status: 'True' }] })), leave);
    assert.deepEqual(decide(ran({ conditions: failedAgo(0), deletionTimestamp: now.toISOString() })), leave);
  });
});

test('decideJob does not throw for any JSON, and leaves any value that is not a Job', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(decide(value), leave)));
  const damaged = fc.dictionary(fc.constantFrom('metadata', 'spec', 'status'), fc.jsonValue());
  fc.assert(fc.property(damaged, (fields) => assert.ok(decide({ ...aStoredJob(), ...fields }).action)));
});

test('the reference of a Job says whether its Pods lack the label of the Job controller', () => {
  const metadata = { namespace: 'team-a', name: 'a', uid: 'u-1', resourceVersion: '7' };
  assert.deepEqual(referenceOf({ metadata, spec: { manualSelector: true } }), { ...metadata, manualSelector: true });
  for (const manualSelector of [false, undefined, 'true']) {
    assert.deepEqual(referenceOf({ metadata, spec: { manualSelector } }), metadata);
  }
});
