import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAnswer, expectedOf } from '../../fuzz/oracle.ts';
import { aJob, aTerraformJob, type Json } from '../../support/builders/a-job.ts';
import { anUpdate, aReview } from '../../support/builders/a-review.ts';
import { recordedReviews } from '../../support/builders/fixtures.ts';

const bytes = (json: Json): Buffer => Buffer.from(JSON.stringify(json));

const both = ['/spec/backoffLimit', '/spec/template/spec/restartPolicy'];

describe('the oracle of the review fuzzer', () => {
  const rows: [what: string, review: Json, expected: unknown][] = [
    ['a terraform Job', aReview(), both],
    ['an UPDATE of a terraform Job', anUpdate(), ['/spec/backoffLimit']],
    ['a terraform Job without backoffLimit', aReview({ object: aTerraformJob({ backoffLimit: undefined }) }), both],
    [
      'a terraform Job that is capped already',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) }),
      'unchanged',
    ],
    ['a Job that no rule matches', aReview({ object: aJob() }), 'unchanged'],
    ['a Pod instead of a Job', aReview({ object: { kind: 'Pod' } }), 'refused'],
    ['a review without uid', aReview({ uid: undefined }), 'malformed'],
  ];
  for (const [what, review, expected] of rows) {
    test(`the oracle of the fuzzer returns the expected response for ${what}`, () =>
      assert.deepEqual(expectedOf(bytes(review)), expected));
  }

  test('the oracle of the fuzzer expects a cap for exactly the recorded CREATE reviews of terraform Jobs', () => {
    for (const { name, text } of recordedReviews) {
      // The stored Jobs of the recorded updates have a Pod.
      const isCapped = name.includes('create-terraform');
      assert.equal(typeof expectedOf(Buffer.from(text)) === 'object', isCapped, name);
    }
  });

  const answer = (operations: Json[], fields: object = {}) => {
    const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
    const response = { uid: aReview().request.uid, allowed: true, patchType: 'JSONPatch', patch, ...fields };
    return {
      status: 200,
      text: JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }),
    };
  };
  const before = '{"rule":"terraform","backoffLimit":2147483647,"restartPolicy":"OnFailure"}';
  const mark = { op: 'add', path: '/metadata/annotations', value: { 'terraform.job.kb.io/capped': before } };
  const limit = { op: 'add', path: '/spec/backoffLimit', value: 0 };
  const policy = { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' };

  test('the oracle of the fuzzer accepts the correct response', () =>
    assertAnswer(bytes(aReview()), answer([policy, mark, limit])));

  const wrong: [what: string, answer: { status: number; text: string }][] = [
    ['a patch that lacks an operation', answer([limit, mark])],
    ['a patch that lacks the mark', answer([limit, policy])],
    ['a patch with another mark', answer([limit, policy, { ...mark, value: {} }])],
    ['a patch with another value', answer([{ ...limit, value: 1 }, policy, mark])],
    ['a patch with a replace operation', answer([{ ...limit, op: 'replace' }, policy, mark])],
    [
      'a patch with an additional path',
      answer([limit, policy, mark, { op: 'add', path: '/spec/suspend', value: true }]),
    ],
    ['a response with another uid', answer([limit, policy, mark], { uid: 'other' })],
    ['a response that denies the Job', answer([limit, policy, mark], { allowed: false })],
    ['a response without a patch', answer([], { patch: undefined })],
    ['a response with status 500', { status: 500, text: 'internal error\n' }],
  ];
  for (const [what, given] of wrong) {
    test(`the oracle of the fuzzer rejects ${what}`, () =>
      assert.throws(() => assertAnswer(bytes(aReview()), given), assert.AssertionError));
  }
});
