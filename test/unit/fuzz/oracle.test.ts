import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAnswer, expectedOf } from '../../fuzz/oracle.ts';
import { aJob, aTerraformJob, type Json } from '../../support/builders/a-job.ts';
import { anUpdate, aReview } from '../../support/builders/a-review.ts';
import { recordedReviews } from '../../support/builders/fixtures.ts';

const bytes = (json: Json): Buffer => Buffer.from(JSON.stringify(json));

const both = ['/spec/backoffLimit', '/spec/template/spec/restartPolicy'];

describe('the oracle of the fuzzer', () => {
  const rows: [what: string, review: Json, expected: unknown][] = [
    ['a Job of terraform-controller', aReview(), both],
    ['its UPDATE', anUpdate(), ['/spec/backoffLimit']],
    ['one without a limit', aReview({ object: aTerraformJob({ backoffLimit: undefined }) }), both],
    [
      'one that runs once',
      aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) }),
      'unchanged',
    ],
    ['another Job', aReview({ object: aJob() }), 'unchanged'],
    ['a Pod', aReview({ object: { kind: 'Pod' } }), 'refused'],
    ['no uid', aReview({ uid: undefined }), 'malformed'],
  ];
  for (const [what, review, expected] of rows) {
    test(`the oracle predicts the answer for ${what}`, () => assert.deepEqual(expectedOf(bytes(review)), expected));
  }

  test('the oracle predicts the answer for each recorded review', () => {
    for (const { name, text } of recordedReviews) {
      const isOurs = name.includes('terraform');
      assert.equal(typeof expectedOf(Buffer.from(text)) === 'object', isOurs, name);
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
  const limit = { op: 'add', path: '/spec/backoffLimit', value: 0 };
  const policy = { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' };

  test('the oracle accepts the correct answer', () => assertAnswer(bytes(aReview()), answer([policy, limit])));

  const wrong: [what: string, answer: { status: number; text: string }][] = [
    ['a patch that lacks something', answer([limit])],
    ['another value', answer([{ ...limit, value: 1 }, policy])],
    ['another operation', answer([{ ...limit, op: 'replace' }, policy])],
    ['another place as well', answer([limit, policy, { op: 'add', path: '/spec/suspend', value: true }])],
    ['the answer to another request', answer([limit, policy], { uid: 'other' })],
    ['a Job that is not let in', answer([limit, policy], { allowed: false })],
    ['no patch', answer([], { patch: undefined })],
    ['an error', { status: 500, text: 'internal error\n' }],
  ];
  for (const [what, given] of wrong) {
    test(`the oracle rejects ${what}`, () =>
      assert.throws(() => assertAnswer(bytes(aReview()), given), assert.AssertionError));
  }
});
