import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { describeValue } from '../../../src/lib/text.ts';
import { readReview, toReview } from '../../../src/webhook/review.ts';
import type { Json } from '../../support/builders/a-job.ts';
import { aReview } from '../../support/builders/a-review.ts';
import { recorded, recordedReviews } from '../../support/builders/fixtures.ts';

const without = (field: string): Json => aReview({ [field]: undefined });

suite('reading an AdmissionReview', () => {
  test('readReview returns the fields that a decision needs', () => {
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
    test(`readReview reads the recorded request ${name} of a real API server`, () => {
      const { uid, resource, object } = readReview(review);
      assert.deepEqual({ uid, resource }, { uid: review.request.uid, resource: 'batch/v1/jobs' });
      assert.equal(object, review.request.object, 'the object itself, not a copy that could lose fields');
    });
  }

  test('readReview returns an empty name for a CREATE with generateName', () => {
    assert.equal(readReview(recorded('create-generate-name').review).name, '');
  });

  test('readReview appends the subresource to the resource', () => {
    assert.equal(readReview(aReview({ subResource: 'status' })).resource, 'batch/v1/jobs/status');
  });

  test('readReview reports a dry run only if dryRun is true', () => {
    assert.equal(readReview(aReview({ dryRun: true })).isDryRun, true);
    assert.equal(readReview(aReview({ dryRun: 'false' })).isDryRun, false);
    assert.equal(readReview(without('dryRun')).isDryRun, false);
  });

  test('readReview ignores unknown fields', () => {
    const review = { ...aReview({ novelty: [1] }), novelty: { a: 1 } };
    assert.equal(readReview(review).uid, review.request.uid);
  });
});

suite('reading an invalid AdmissionReview', () => {
  const rows: [name: string, body: unknown, message: string][] = [
    ['undefined', undefined, 'body: required: must be a JSON object'],
    ['null', null, 'body: invalid value null: must be a JSON object'],
    ['a list of reviews', [aReview()], 'body: invalid value a list: must be a JSON object'],
    ['a string', 'AdmissionReview', 'body: invalid value "AdmissionReview": must be a JSON object'],
    ['a number', 7, 'body: invalid value 7: must be a JSON object'],
    ['an empty object', {}, 'kind: required: must be "AdmissionReview"'],
    [
      'an object of another kind',
      { ...aReview(), kind: 'Job' },
      'kind: invalid value "Job": must be "AdmissionReview"',
    ],
    [
      'a review of version v1beta1',
      { ...aReview(), apiVersion: 'admission.k8s.io/v1beta1' },
      'apiVersion: invalid value "admission.k8s.io/v1beta1": must be "admission.k8s.io/v1"',
    ],
    [
      'a review without apiVersion',
      { ...aReview(), apiVersion: undefined },
      'apiVersion: required: must be "admission.k8s.io/v1"',
    ],
    ['a review without request', { ...aReview(), request: undefined }, 'request: required: must be an object'],
    [
      'a review whose request is a list',
      { ...aReview(), request: [] },
      'request: invalid value an empty list: must be an object',
    ],
    ['a request without uid', without('uid'), 'request.uid: required: must be a string'],
    ['a request with an empty uid', aReview({ uid: '' }), 'request.uid: invalid value "": must be a string'],
    ['a request whose uid is a number', aReview({ uid: 7 }), 'request.uid: invalid value 7: must be a string'],
    [
      'a request whose operation is an object',
      aReview({ operation: {} }),
      'request.operation: invalid value an empty object: must be a string',
    ],
    [
      'a request whose name is a list',
      aReview({ name: [] }),
      'request.name: invalid value an empty list: must be a string',
    ],
    [
      'a request whose namespace is true',
      aReview({ namespace: true }),
      'request.namespace: invalid value true: must be a string',
    ],
    [
      'a request whose subresource is a number',
      aReview({ subResource: 1 }),
      'request.subResource: invalid value 1: must be a string',
    ],
  ];
  for (const [name, body, message] of rows) {
    test(`readReview refuses ${name}`, () => {
      assert.throws(() => readReview(body), { name: 'OperatorError', code: 'REVIEW_MALFORMED', message });
    });
  }

  // In a string template, a list with one element becomes the text of the element, and an object whose toString is not
  // a function throws.
  for (const group of [['batch'], { toString: 1 }, 7, true]) {
    test(`readReview does not read the resource group ${JSON.stringify(group)} as batch`, () => {
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

suite('describeValue', () => {
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
    test(`describeValue returns ${text} for ${JSON.stringify(value)}`, () => assert.equal(describeValue(value), text));
  }

  test('describeValue truncates a long string to 80 characters', () => {
    assert.equal(describeValue('x'.repeat(3_000_000)), `"${'x'.repeat(80)}"`);
  });
});

suite('the AdmissionReview of a response', () => {
  test('toReview returns an AdmissionReview with apiVersion and kind', () => {
    const response = { uid: 'u-1', allowed: true };
    assert.deepEqual(toReview(response), { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
  });
});
