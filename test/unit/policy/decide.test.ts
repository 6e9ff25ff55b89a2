import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { type Decision, decide } from '../../../src/policy/decide.ts';
import { type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
import type { Change } from '../../../src/policy/setting-fields.ts';
import { patchOf } from '../../../src/webhook/patch.ts';
import { readReview } from '../../../src/webhook/review.ts';
import { aJob, aTerraformJob, executor, type JobFields, type Json } from '../../support/builders/a-job.ts';
import { anUpdate, aReview } from '../../support/builders/a-review.ts';
import { applyAdds } from '../../support/builders/apply-adds.ts';
import { recorded } from '../../support/builders/fixtures.ts';

const decideOn = (review: Json, policy: Policy = terraformPolicy): Decision => decide(readReview(review), policy);
const created = (fields: JobFields) => decideOn(aReview({ object: aTerraformJob(fields) }));
const updated = (fields: JobFields) => decideOn(anUpdate({ object: aTerraformJob(fields) }));

const limit = (from: number | null | undefined): Change => ({ field: 'backoffLimit', from: from as number, to: 0 });
const policy = (from: string | null | undefined): Change => ({
  field: 'restartPolicy',
  from: from as string,
  to: 'Never',
});

function assertCapped(decision: Decision, changes: readonly Change[]): void {
  assert.ok(decision.action === 'cap', `expected a cap, found ${JSON.stringify(decision)}`);
  assert.deepEqual(decision.changes, changes);
}

suite('a Job of terraform-controller is capped', () => {
  const onCreate: [name: string, fields: JobFields, changes: Change[]][] = [
    ['with its restart policy', {}, [limit(2147483647), policy('OnFailure')]],
    ['with the smallest limit that retries', { backoffLimit: 1 }, [limit(1), policy('OnFailure')]],
    ['without a limit: 6 is assumed', { backoffLimit: undefined }, [limit(undefined), policy('OnFailure')]],
    ['with a limit of null: 6 is assumed', { backoffLimit: null }, [limit(null), policy('OnFailure')]],
    ['with only the restart policy wrong', { backoffLimit: 0 }, [policy('OnFailure')]],
    ['without a restart policy', { backoffLimit: 0, restartPolicy: undefined }, [policy(undefined)]],
    ['with a restart policy of null', { backoffLimit: 0, restartPolicy: null }, [policy(null)]],
    ['with only the limit wrong', { restartPolicy: 'Never' }, [limit(2147483647)]],
    [
      'with another container before the executor',
      { containers: [{ name: 'proxy' }, executor], backoffLimit: 0 },
      [policy('OnFailure')],
    ],
    [
      'born with a status that says Failed',
      { conditions: [{ type: 'Failed', status: 'True' }] },
      [limit(2147483647), policy('OnFailure')],
    ],
    [
      'born with a deletion timestamp',
      { deletionTimestamp: '2026-11-23T09:35:34Z' },
      [limit(2147483647), policy('OnFailure')],
    ],
    ['named anything at all', { name: 'x' }, [limit(2147483647), policy('OnFailure')]],
    ['not named yet', { name: undefined }, [limit(2147483647), policy('OnFailure')]],
  ];
  for (const [name, fields, changes] of onCreate) {
    test(`caps a Job on CREATE: ${name}`, () => assertCapped(created(fields), changes));
  }

  const onUpdate: [name: string, fields: JobFields, changes: Change[]][] = [
    ['but its restart policy is left alone', {}, [limit(2147483647)]],
    ['without a limit: 6 is assumed', { backoffLimit: undefined }, [limit(undefined)]],
    ['with a limit of null: 6 is assumed', { backoffLimit: null }, [limit(null)]],
  ];
  for (const [name, fields, changes] of onUpdate) {
    test(`caps a Job on UPDATE: ${name}`, () => assertCapped(updated(fields), changes));
  }

  test('caps an UPDATE if only the new object, which the client wrote, has a Failed status', () => {
    const object = aTerraformJob({
      conditions: [{ type: 'Failed', status: 'True' }],
      deletionTimestamp: '2026-11-23T09:35:34Z',
    });
    assertCapped(decideOn(anUpdate({ object, oldObject: aTerraformJob() })), [limit(2147483647)]);
  });

  test('caps an UPDATE that raises the limit of a capped Job', () => {
    const oldObject = aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' });
    assertCapped(decideOn(anUpdate({ object: aTerraformJob({ backoffLimit: 3 }), oldObject })), [limit(3)]);
  });

  test('caps a Job in a dry run too', () => {
    assertCapped(decideOn(recorded('update-terraform-apply-dry-run').review), [limit(2147483647)]);
  });

  test('caps a Job to the limit of a policy with other names', () => {
    const match = { serviceAccountName: 'deployer', containerName: 'deploy' };
    const ours: Policy = { rules: [{ name: 'ours', match, set: { backoffLimit: 2, restartPolicy: 'Never' } }] };
    const review = (backoffLimit: number) =>
      anUpdate({ object: aJob({ backoffLimit, serviceAccountName: 'deployer', containers: [{ name: 'deploy' }] }) });
    assertCapped(decideOn(review(3), ours), [{ field: 'backoffLimit', from: 3, to: 2 }]);
    assert.deepEqual(decideOn(review(2), ours), { action: 'allow', reason: 'already-capped' });
    assert.deepEqual(decideOn(anUpdate(), ours), { action: 'allow', reason: 'no-rule' });
  });
});

suite('the wanted Job', () => {
  test('the capped Job differs from the received Job only in backoffLimit and restartPolicy', () => {
    const { review } = recorded('create-terraform-apply');
    const decision = decideOn(review) as Json;
    const wanted = structuredClone(review.request.object);
    wanted.spec.backoffLimit = 0;
    wanted.spec.template.spec.restartPolicy = 'Never';
    assert.deepEqual(applyAdds(structuredClone(review.request.object), patchOf(decision.changes)), wanted);
    assert.deepEqual(decision.result, { backoffLimit: 0, restartPolicy: 'Never' });
    assert.equal(review.request.object.spec.backoffLimit, 2147483647, 'what was received is left as it was');
  });
});

suite('a request is let through', () => {
  const over = { conditions: [{ type: 'Failed', status: 'True' }] };
  const rows: [name: string, review: Json, reason: string][] = [
    ['for a subresource of a Job', anUpdate({ subResource: 'status' }), 'not-a-job'],
    ['for a CronJob', aReview({ resource: { group: 'batch', version: 'v1', resource: 'cronjobs' } }), 'not-a-job'],
    [
      'for a Job of another group',
      aReview({ resource: { group: 'x.io', version: 'v1', resource: 'jobs' } }),
      'not-a-job',
    ],
    [
      'for a Job of another version',
      aReview({ resource: { group: 'batch', version: 'v2', resource: 'jobs' } }),
      'not-a-job',
    ],
    ['for no resource', aReview({ resource: undefined }), 'not-a-job'],
    ['for what is no Job, whatever the object', aReview({ resource: null, object: null }), 'not-a-job'],
    [
      'for a DELETE, whose object is null',
      aReview({ operation: 'DELETE', object: null, oldObject: aTerraformJob() }),
      'not-created-or-updated',
    ],
    ['for a CONNECT', aReview({ operation: 'CONNECT' }), 'not-created-or-updated'],
    ['for no operation', aReview({ operation: undefined }), 'not-created-or-updated'],
    ['for anybody else’s Job', aReview({ object: aJob() }), 'no-rule'],
    [
      'for a name that ends in -apply, which proves nothing',
      aReview({ object: aJob({ name: 'oss-bucket-apply' }) }),
      'no-rule',
    ],
    ['for another service account', aReview({ object: aTerraformJob({ serviceAccountName: 'default' }) }), 'no-rule'],
    ['for no service account', aReview({ object: aTerraformJob({ serviceAccountName: undefined }) }), 'no-rule'],
    ['for another container', aReview({ object: aTerraformJob({ containers: [{ name: 'report' }] }) }), 'no-rule'],
    [
      'for an init container of that name only',
      aReview({ object: aTerraformJob({ containers: [{ name: 'report' }], initContainers: [executor] }) }),
      'no-rule',
    ],
    ['for no container', aReview({ object: aTerraformJob({ containers: [] }) }), 'no-rule'],
    ['for an UPDATE of one that has failed', anUpdate({ oldObject: aTerraformJob(over) }), 'is-over'],
    [
      'for an UPDATE of one that is being deleted',
      anUpdate({ oldObject: aTerraformJob({ deletionTimestamp: '2026-11-23T09:35:34Z' }) }),
      'is-over',
    ],
    [
      'for one that runs once already',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) }),
      'already-capped',
    ],
    [
      'for a limit below the policy’s, which is not raised',
      anUpdate({ object: aTerraformJob({ backoffLimit: -1 }) }),
      'already-capped',
    ],
    [
      'for an UPDATE of one with a limit of 0, whatever its restart policy',
      anUpdate({ object: aTerraformJob({ backoffLimit: 0 }) }),
      'already-capped',
    ],
  ];
  for (const [name, review, reason] of rows) {
    test(`allows without a change: ${name}`, () => assert.deepEqual(decideOn(review), { action: 'allow', reason }));
  }
});

suite('a request is refused', () => {
  test('refuses a request whose object is not a valid Job', () => {
    const problem = 'object.spec.backoffLimit: invalid value "6": must be a number';
    assert.deepEqual(created({ backoffLimit: '6' }), { action: 'refuse', problem });
  });

  test('refuses a request without an object', () => {
    const problem = 'object: invalid value null: must be a Job';
    assert.deepEqual(decideOn(aReview({ object: null })), { action: 'refuse', problem });
  });
});
