import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { type Decision, decide } from '../../../src/policy/decide.ts';
import { MARK_ANNOTATION, OPT_OUT_ANNOTATION, type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
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
const MARK = '{"rule":"terraform","backoffLimit":2147483647,"restartPolicy":"OnFailure"}';
const policy: Change = { field: 'restartPolicy', from: 'OnFailure', to: 'Never' };

function assertCapped(decision: Decision, changes: readonly Change[]): void {
  assert.ok(decision.action === 'cap', `expected a cap, found ${JSON.stringify(decision)}`);
  assert.deepEqual(decision.changes, changes);
}

suite('decide() caps Jobs of terraform-controller', () => {
  const onCreate: [name: string, fields: JobFields, changes: Change[]][] = [
    ['with backoffLimit 2147483647 and restartPolicy OnFailure', {}, [limit(2147483647), policy]],
    ['with backoffLimit 1', { backoffLimit: 1 }, [limit(1), policy]],
    ['without backoffLimit, which means 6', { backoffLimit: undefined }, [limit(undefined), policy]],
    ['with backoffLimit null, which means 6', { backoffLimit: null }, [limit(null), policy]],
    ['with backoffLimit 0 and restartPolicy OnFailure', { backoffLimit: 0 }, [policy]],
    ['with restartPolicy Never', { restartPolicy: 'Never' }, [limit(2147483647)]],
    [
      'with another container before the executor',
      { containers: [{ name: 'proxy' }, executor], backoffLimit: 0 },
      [policy],
    ],
    [
      'with a forged Failed condition',
      { conditions: [{ type: 'Failed', status: 'True' }] },
      [limit(2147483647), policy],
    ],
    ['with a forged deletionTimestamp', { deletionTimestamp: '2026-11-23T09:35:34Z' }, [limit(2147483647), policy]],
    ['with any name', { name: 'x' }, [limit(2147483647), policy]],
    ['without a name', { name: undefined }, [limit(2147483647), policy]],
  ];
  for (const [name, fields, changes] of onCreate) {
    test(`decide() caps the CREATE of a terraform Job ${name}`, () => assertCapped(created(fields), changes));
  }

  const onUpdate: [name: string, fields: JobFields, changes: Change[]][] = [
    ['and does not change restartPolicy', {}, [limit(2147483647)]],
    ['without backoffLimit, which means 6', { backoffLimit: undefined }, [limit(undefined)]],
    ['with backoffLimit null, which means 6', { backoffLimit: null }, [limit(null)]],
  ];
  for (const [name, fields, changes] of onUpdate) {
    test(`decide() caps the UPDATE of a terraform Job ${name}`, () => assertCapped(updated(fields), changes));
  }

  test('decide() caps an UPDATE if only the new object has a Failed condition and a deletionTimestamp, which the client can forge', () => {
    const object = aTerraformJob({
      conditions: [{ type: 'Failed', status: 'True' }],
      deletionTimestamp: '2026-11-23T09:35:34Z',
    });
    assertCapped(decideOn(anUpdate({ object, oldObject: aTerraformJob() })), [limit(2147483647)]);
  });

  test('decide() caps an UPDATE that raises the backoffLimit of a capped Job', () => {
    const never = { restartPolicy: 'Never' };
    const oldObject = aTerraformJob({ ...never, backoffLimit: 0 });
    assertCapped(decideOn(anUpdate({ object: aTerraformJob({ ...never, backoffLimit: 3 }), oldObject })), [limit(3)]);
  });

  test('decide() caps a Job in a dry run too', () => {
    const { review } = recorded('update-terraform-apply-dry-run');
    review.request.oldObject.status = {};
    assertCapped(decideOn(review), [limit(2147483647)]);
  });

  test('decide() does not lower the backoffLimit of a stored Job that has a Pod, and puts back a limit that an UPDATE raises', () => {
    const update = (sent: number, stored: number, status: object = { active: 1 }) => {
      const object = (backoffLimit: number) => aTerraformJob({ backoffLimit, restartPolicy: 'Never' });
      return decideOn(anUpdate({ object: object(sent), oldObject: { ...object(stored), status } }));
    };
    const left = { action: 'allow', reason: 'run-in-progress' };
    for (const [sent, stored] of [
      [2, 2],
      [2, 2147483647],
      [2147483647, 2147483647],
    ] as const) {
      assert.deepEqual(update(sent, stored), left);
      assertCapped(update(sent, stored, {}), [limit(sent)]);
    }
    assertCapped(update(6, 2), [{ field: 'backoffLimit', from: 6, to: 2 }]);
    assertCapped(update(6, 0), [limit(6)]);
    assert.deepEqual(update(0, 2), { action: 'allow', reason: 'already-capped' });
  });

  test('decide() caps a Job of another ServiceAccount and container to the backoffLimit of the policy rule that names them', () => {
    const match = { serviceAccountName: 'deployer', containerName: 'deploy' };
    const ours: Policy = { rules: [{ name: 'ours', match, set: { backoffLimit: 2, restartPolicy: 'Never' } }] };
    const review = (backoffLimit: number) =>
      anUpdate({ object: aJob({ backoffLimit, serviceAccountName: 'deployer', containers: [{ name: 'deploy' }] }) });
    assertCapped(decideOn(review(3), ours), [{ field: 'backoffLimit', from: 3, to: 2 }]);
    assert.deepEqual(decideOn(review(2), ours), { action: 'allow', reason: 'already-capped' });
    assert.deepEqual(decideOn(anUpdate(), ours), { action: 'allow', reason: 'no-rule' });
  });
});

suite('the capped Job', () => {
  test('the capped Job differs from the received Job only in backoffLimit, restartPolicy and the mark', () => {
    const { review } = recorded('create-terraform-apply');
    const decision = decideOn(review) as Json;
    const wanted = structuredClone(review.request.object);
    wanted.spec.backoffLimit = 0;
    wanted.spec.template.spec.restartPolicy = 'Never';
    wanted.metadata.annotations = { [MARK_ANNOTATION]: MARK };
    assert.deepEqual(
      applyAdds(structuredClone(review.request.object), patchOf(decision, review.request.object)),
      wanted,
    );
    assert.deepEqual([decision.effect, decision.caveats], ['once', []]);
    assert.equal(review.request.object.spec.backoffLimit, 2147483647, 'what was received is left as it was');
  });
});

suite('the mark of a changed Job', () => {
  const markOn = (review: Json, annotations?: Json) => {
    review.request.object.metadata.annotations = annotations;
    const decision = decideOn(review);
    return 'mark' in decision ? decision.mark : assert.fail(decision.action);
  };
  const create = (fields: JobFields = {}) => aReview({ object: aTerraformJob(fields) });

  test('the mark has the rule and the values before of the changed fields, without a field that the Job did not have', () => {
    assert.equal(markOn(create()), MARK);
    assert.equal(markOn(create({ backoffLimit: 0 })), '{"rule":"terraform","restartPolicy":"OnFailure"}');
    assert.equal(markOn(create({ restartPolicy: 'Never', backoffLimit: 6 })), '{"rule":"terraform","backoffLimit":6}');
    for (const backoffLimit of [undefined, null])
      assert.equal(markOn(create({ backoffLimit })), '{"rule":"terraform","restartPolicy":"OnFailure"}');
    assert.equal(markOn(anUpdate()), '{"rule":"terraform","backoffLimit":2147483647}');
  });

  test('a mark of the request stays, with any value that is not empty, and a stored mark that the request drops is made again', () => {
    for (const value of [MARK, 'x', 5, {}]) assert.equal(markOn(create(), { [MARK_ANNOTATION]: value }), undefined);
    const oldObject = aTerraformJob({ restartPolicy: 'Never', backoffLimit: 0 });
    oldObject.metadata.annotations = { [MARK_ANNOTATION]: MARK };
    assert.equal(markOn(anUpdate({ object: aTerraformJob(), oldObject })), MARK);
  });

  test('an empty mark, which the API server makes of a null, counts as none', () => {
    for (const value of ['', null]) assert.equal(markOn(create(), { [MARK_ANNOTATION]: value }), MARK);
  });

  test('a Job with more than 1,000 annotations gets no mark, because CEL cannot measure so many', () => {
    const some = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, nth) => [`a${nth}`, '']));
    assert.equal(markOn(create(), some(1_000)), MARK);
    assert.equal(markOn(create(), some(1_001)), undefined);
  });

  test('a missing mark alone changes nothing', () => {
    const capped = aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) });
    assert.deepEqual(decideOn(capped), { action: 'allow', reason: 'already-capped' });
  });

  test('annotations that are no object get a mark, because the API server refuses them itself', () => {
    for (const annotations of [null, 'x', 5, ['x']]) assert.equal(markOn(create(), annotations), MARK);
  });

  test('a Job has no mark if the mark could make its annotations larger than the API server permits', () => {
    const note = (bytes: number) => ({ note: 'ä'.repeat((bytes - 'note'.length) / 2) });
    assert.equal(markOn(create(), note(256 * 1024 - 256)), MARK);
    assert.equal(markOn(create(), note(256 * 1024 - 254)), undefined);
    // The largest mark: its rule has a name of 63 characters.
    assert.ok(Buffer.byteLength(MARK_ANNOTATION + MARK) + 63 - 'terraform'.length <= 256);
  });
});

suite('the restartPolicy of a stored Job is put back', () => {
  const over = { conditions: [{ type: 'Failed', status: 'True' }] };
  const again = (stored: JobFields, sent: JobFields = {}, annotations = {}) => {
    const object = aTerraformJob({ backoffLimit: 0, ...sent });
    object.metadata.annotations = annotations;
    return decideOn(anUpdate({ object, oldObject: aTerraformJob({ restartPolicy: 'Never', ...stored }) }));
  };
  const mark = '{"rule":"terraform","restartPolicy":"OnFailure"}';
  const keep = { action: 'keep', rule: 'terraform', changes: [policy], mark };
  const optOut = { [OPT_OUT_ANNOTATION]: 'true' };

  test('puts Never back on UPDATE of a running, a finished and an opted-out Job', () => {
    assert.deepEqual(again({}), keep);
    assert.deepEqual(again(over), keep);
    assert.deepEqual(again({}, { backoffLimit: 6 }, optOut), keep);
    // Otherwise the API server would refuse the request that removes the last finalizer of a Job.
    assert.deepEqual(again({ deletionTimestamp: '2026-11-23T09:35:34Z' }, { backoffLimit: 6 }), keep);
  });

  test('puts Never back and caps if the UPDATE also raises the limit', () => {
    assertCapped(again({}, { backoffLimit: 6 }), [limit(6), policy]);
    assertCapped(again(over, { backoffLimit: 6 }), [limit(6), policy]);
  });

  test('leaves an UPDATE to the API server that the daemon did not cause', () => {
    const capped = { action: 'allow', reason: 'already-capped' };
    assert.deepEqual(again({ restartPolicy: 'OnFailure' }), capped);
    assert.deepEqual(again({}, { restartPolicy: 'Always' }), capped);
    assert.deepEqual(again({}, { restartPolicy: undefined }), capped);
    const soft: Policy = {
      rules: terraformPolicy.rules.map((rule) => ({ ...rule, set: { ...rule.set, restartPolicy: 'Keep' } })),
    };
    const oldObject = aTerraformJob({ restartPolicy: 'Never' });
    assert.deepEqual(decideOn(anUpdate({ object: aTerraformJob({ backoffLimit: 0 }), oldObject }), soft), capped);
  });
});

suite('a request is let through', () => {
  const capped = 'already-capped';
  const rows: [name: string, review: Json, reason: string][] = [
    ['the subresource status of a Job', anUpdate({ subResource: 'status' }), 'not-a-job'],
    ['a CronJob', aReview({ resource: { group: 'batch', version: 'v1', resource: 'cronjobs' } }), 'not-a-job'],
    [
      'a Job of another API group',
      aReview({ resource: { group: 'x.io', version: 'v1', resource: 'jobs' } }),
      'not-a-job',
    ],
    [
      'a Job of another API version',
      aReview({ resource: { group: 'batch', version: 'v2', resource: 'jobs' } }),
      'not-a-job',
    ],
    ['a request without resource', aReview({ resource: undefined }), 'not-a-job'],
    ['a request whose resource and object are null', aReview({ resource: null, object: null }), 'not-a-job'],
    ['a DELETE', aReview({ operation: 'DELETE', object: null, oldObject: aTerraformJob() }), 'not-created-or-updated'],
    ['a CONNECT', aReview({ operation: 'CONNECT' }), 'not-created-or-updated'],
    ['a request without operation', aReview({ operation: undefined }), 'not-created-or-updated'],
    ['a Job that is not of terraform-controller', aReview({ object: aJob() }), 'no-rule'],
    ['another Job whose name ends in -apply', aReview({ object: aJob({ name: 'oss-bucket-apply' }) }), 'no-rule'],
    [
      'a terraform Job with another service account',
      aReview({ object: aTerraformJob({ serviceAccountName: 'default' }) }),
      'no-rule',
    ],
    [
      'a terraform Job without service account',
      aReview({ object: aTerraformJob({ serviceAccountName: undefined }) }),
      'no-rule',
    ],
    [
      'a terraform Job with another container',
      aReview({ object: aTerraformJob({ containers: [{ name: 'report' }] }) }),
      'no-rule',
    ],
    [
      'a Job whose terraform-executor is an init container',
      aReview({ object: aTerraformJob({ containers: [{ name: 'report' }], initContainers: [executor] }) }),
      'no-rule',
    ],
    ['a terraform Job without containers', aReview({ object: aTerraformJob({ containers: [] }) }), 'no-rule'],
    [
      'an UPDATE of a Job that is being deleted',
      anUpdate({ oldObject: aTerraformJob({ deletionTimestamp: '2026-11-23T09:35:34Z' }) }),
      'being-deleted',
    ],
    [
      'a terraform Job without restartPolicy',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: undefined }) }),
      capped,
    ],
    [
      'a terraform Job with restartPolicy null',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: null }) }),
      capped,
    ],
    [
      'a terraform Job with restartPolicy Always',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Always' }) }),
      capped,
    ],
    [
      'a terraform Job that is capped already',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) }),
      'already-capped',
    ],
    [
      'an UPDATE with a backoffLimit below the policy',
      anUpdate({ object: aTerraformJob({ backoffLimit: -1 }) }),
      'already-capped',
    ],
    [
      'an UPDATE with backoffLimit 0 and any restartPolicy',
      anUpdate({ object: aTerraformJob({ backoffLimit: 0 }) }),
      'already-capped',
    ],
  ];
  for (const [name, review, reason] of rows) {
    test(`decide() allows ${name} without a change (${reason})`, () =>
      assert.deepEqual(decideOn(review), { action: 'allow', reason }));
  }
});

suite('decide() refuses requests', () => {
  test('decide() refuses a request whose object is not a valid Job', () => {
    const problem = 'object.spec.backoffLimit: invalid value "6": must be a number';
    assert.deepEqual(created({ backoffLimit: '6' }), { action: 'refuse', problem });
  });

  test('decide() refuses a request without an object', () => {
    const problem = 'object: invalid value null: must be a Job';
    assert.deepEqual(decideOn(aReview({ object: null })), { action: 'refuse', problem });
  });
});
