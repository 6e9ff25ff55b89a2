import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { describeValue } from '../../../src/lib/text.ts';
import { readReview, toReview } from '../../../src/webhook/review.ts';
import type { Json } from '../../support/builders/a-job.ts';
import { aReview } from '../../support/builders/a-review.ts';
import { recorded, recordedReviews } from '../../support/builders/fixtures.ts';

const without = (field: string): Json => aReview({ [field]: undefined });

suite('an AdmissionReview is read', () => {
  test('with what a decision needs', () => {
    const { review } = recorded('update-terraform-apply-dry-run');
    assert.deepEqual(readReview(review), {
      uid: review.request.uid,
      resource: 'batch/v1/jobs',
      operation: 'UPDATE',
      namespace: 'team-a',
      name: 'oss-bucket-apply',
      isDryRun: true,
      object: review.request.object,
      oldObject: review.request.oldObject,
    });
  });

  for (const { name, review } of recordedReviews) {
    test(`as a real API server sends it: ${name}`, () => {
      const { uid, resource, object } = readReview(review);
      assert.deepEqual({ uid, resource }, { uid: review.request.uid, resource: 'batch/v1/jobs' });
      assert.equal(object, review.request.object, 'the object itself, not a copy that could lose fields');
    });
  }

  test('with an empty name where the API server will make one up', () => {
    assert.equal(readReview(recorded('create-generate-name').review).name, '');
  });

  test('with the subresource as part of the resource', () => {
    assert.equal(readReview(aReview({ subResource: 'status' })).resource, 'batch/v1/jobs/status');
  });

  test('as a dry run only where it says so', () => {
    assert.equal(readReview(aReview({ dryRun: true })).isDryRun, true);
    assert.equal(readReview(aReview({ dryRun: 'false' })).isDryRun, false);
    assert.equal(readReview(without('dryRun')).isDryRun, false);
  });

  test('with fields that nobody knows', () => {
    const review = { ...aReview({ novelty: [1] }), novelty: { a: 1 } };
    assert.equal(readReview(review).uid, review.request.uid);
  });
});

suite('what is no AdmissionReview is malformed', () => {
  const rows: [name: string, body: unknown, message: string][] = [
    ['nothing', undefined, 'body: found nothing; allowed is a JSON object'],
    ['null', null, 'body: found null; allowed is a JSON object'],
    ['a list', [aReview()], 'body: found a list; allowed is a JSON object'],
    ['a text', 'AdmissionReview', 'body: found "AdmissionReview"; allowed is a JSON object'],
    ['a number', 7, 'body: found 7; allowed is a JSON object'],
    ['an empty object', {}, 'kind: found nothing; allowed is "AdmissionReview"'],
    ['another kind', { ...aReview(), kind: 'Job' }, 'kind: found "Job"; allowed is "AdmissionReview"'],
    [
      'version v1beta1',
      { ...aReview(), apiVersion: 'admission.k8s.io/v1beta1' },
      'apiVersion: found "admission.k8s.io/v1beta1"; allowed is "admission.k8s.io/v1"',
    ],
    [
      'no version',
      { ...aReview(), apiVersion: undefined },
      'apiVersion: found nothing; allowed is "admission.k8s.io/v1"',
    ],
    ['no request', { ...aReview(), request: undefined }, 'request: found nothing; allowed is an object'],
    ['a list of requests', { ...aReview(), request: [] }, 'request: found an empty list; allowed is an object'],
    ['no uid', without('uid'), 'request.uid: found nothing; allowed is a text'],
    ['an empty uid', aReview({ uid: '' }), 'request.uid: found ""; allowed is a text'],
    ['a uid that is a number', aReview({ uid: 7 }), 'request.uid: found 7; allowed is a text'],
    [
      'an operation that is an object',
      aReview({ operation: {} }),
      'request.operation: found an empty object; allowed is a text',
    ],
    ['a name that is a list', aReview({ name: [] }), 'request.name: found an empty list; allowed is a text'],
    ['a namespace that is true', aReview({ namespace: true }), 'request.namespace: found true; allowed is a text'],
    ['a subresource that is a number', aReview({ subResource: 1 }), 'request.subResource: found 1; allowed is a text'],
  ];
  for (const [name, body, message] of rows) {
    test(name, () => {
      assert.throws(() => readReview(body), { name: 'OperatorError', code: 'REVIEW_MALFORMED', message });
    });
  }

  // A list joins to the text of its elements, an object may have a toString that is no function.
  for (const group of [['batch'], { toString: 1 }, 7, true]) {
    test(`a resource whose group is ${JSON.stringify(group)} is never taken for batch`, () => {
      const review = aReview({ resource: { group, version: 'v1', resource: 'jobs' } });
      assert.notEqual(resourceOrCode(review), 'batch/v1/jobs');
    });
  }

  function resourceOrCode(review: unknown): unknown {
    try {
      return readReview(review).resource;
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'REVIEW_MALFORMED', `threw ${error}`);
      return 'REVIEW_MALFORMED';
    }
  }
});

suite('a value in an error message', () => {
  const rows: [unknown, string][] = [
    [undefined, 'nothing'],
    [null, 'null'],
    [false, 'false'],
    [-1.5, '-1.5'],
    ['', '""'],
    ['two\nlines\u0000', '"two\\nlines\\u0000"'],
    [['a'], 'a list'],
    [{ a: 1 }, 'an object'],
  ];
  for (const [value, text] of rows) {
    test(`${JSON.stringify(value)} is ${text}`, () => assert.equal(describeValue(value), text));
  }

  test('is short however long the text', () => {
    assert.equal(describeValue('x'.repeat(3_000_000)), `"${'x'.repeat(80)}"`);
  });
});

suite('an answer', () => {
  test('in an envelope names its version and kind', () => {
    const response = { uid: 'u-1', allowed: true };
    assert.deepEqual(toReview(response), { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
  });
});
