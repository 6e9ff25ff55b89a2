import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import fc from 'fast-check';
import jsonpatch from 'fast-json-patch';
import { OperatorError } from '../../../src/lib/errors.ts';
import { decide } from '../../../src/policy/decide.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { patchOf } from '../../../src/webhook/patch.ts';
import { type Operation, readReview } from '../../../src/webhook/review.ts';
import { aTerraformJob, type Json } from '../../support/builders/a-job.ts';
import { anUpdate, aReview } from '../../support/builders/a-review.ts';
import {
  anyJson,
  anySketch,
  jobText,
  pathsOf,
  reviewOf,
  type Sketch,
  wantedLimit,
  wantedRestartPolicy,
  withValue,
} from '../../support/builders/any-job.ts';
import { applyAdds, parseExactly } from '../../support/builders/apply-adds.ts';

/** Returns the patch for a review under the built-in policy. */
function patchFor(review: Json): Operation[] {
  const decision = decide(readReview(review), terraformPolicy);
  return 'changes' in decision ? patchOf(decision, review?.request?.object) : [];
}

const anyOperation = fc.constantFrom('CREATE' as const, 'UPDATE' as const);

/** Returns the expected Job, computed without the code of the policy. */
function wanted(sketch: Sketch, operation: 'CREATE' | 'UPDATE'): Sketch {
  return {
    ...sketch,
    backoffLimit: wantedLimit(0, sketch, operation),
    restartPolicy: wantedRestartPolicy(sketch, operation),
  };
}

suite('any Job of terraform-controller under the built-in policy', () => {
  const property = (check: (sketch: Sketch, operation: 'CREATE' | 'UPDATE') => void) =>
    fc.assert(fc.property(anySketch, anyOperation, check), { numRuns: 200 });

  test('the patch of any terraform Job sets backoffLimit and restartPolicy to the expected values, and keeps all other values', () => {
    property((sketch, operation) => {
      const patched = applyAdds(parseExactly(jobText(sketch)), patchFor(reviewOf(sketch, operation)));
      const expected = parseExactly(jobText(wanted(sketch, operation)));
      assert.equal(JSON.stringify(patched), JSON.stringify(expected));
    });
  });

  test('applied by another JSON Patch library, the patch gives the expected Job', () => {
    property((sketch, operation) => {
      const job = JSON.parse(jobText(sketch));
      const { newDocument } = jsonpatch.applyPatch(job, patchFor(reviewOf(sketch, operation)), true);
      assert.equal(JSON.stringify(newDocument), JSON.stringify(JSON.parse(jobText(wanted(sketch, operation)))));
    });
  });

  test('the patch of any terraform Job has only add operations on backoffLimit and restartPolicy', () => {
    property((sketch, operation) => {
      for (const { op, path } of patchFor(reviewOf(sketch, operation))) {
        assert.equal(op, 'add');
        assert.ok(['/spec/backoffLimit', '/spec/template/spec/restartPolicy'].includes(path), path);
      }
    });
  });

  test('an UPDATE never leaves a restartPolicy that is neither stored nor sent', () => {
    property((sketch) => {
      const { storedPolicy = sketch.restartPolicy } = sketch;
      for (const { path, value } of patchFor(reviewOf(sketch, 'UPDATE')))
        if (path !== '/spec/backoffLimit') assert.equal(JSON.stringify(value), storedPolicy);
    });
  });

  test('a Job that was capped by the built-in policy is not changed again', () => {
    property((sketch, operation) => {
      const review = reviewOf(sketch, operation);
      applyAdds(review.request.object, patchFor(review));
      assert.deepEqual(patchFor(review), []);
    });
  });

  test('the decision does not change the received Job', () => {
    property((sketch, operation) => {
      const review = reviewOf(sketch, operation);
      const before = JSON.stringify(review);
      patchFor(review);
      assert.equal(JSON.stringify(review), before);
    });
  });
});

suite('decisions about arbitrary reviews', () => {
  function answerOrMalformed(body: unknown): void {
    try {
      patchFor(body);
    } catch (error) {
      if (!(error instanceof OperatorError && error.code === 'REVIEW_MALFORMED')) throw error;
    }
  }
  const holdsFor = (anything: fc.Arbitrary<unknown>) =>
    fc.assert(fc.property(anything, answerOrMalformed), { numRuns: 1_000 });

  test('any JavaScript value as review gives a decision or REVIEW_MALFORMED', () => {
    holdsFor(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true }),
    );
  });

  test('any JSON as review gives a decision or REVIEW_MALFORMED', () =>
    holdsFor(fc.json().map((text) => JSON.parse(text))));

  for (const [name, review] of [
    ['CREATE', aReview()],
    ['UPDATE', anUpdate({ oldObject: aTerraformJob({ conditions: [{ type: 'Failed', status: 'False' }] }) })],
  ] as const) {
    test(`any JSON in any field of a valid ${name} review gives a decision or REVIEW_MALFORMED`, () => {
      const paths = pathsOf(review);
      holdsFor(
        fc.tuple(fc.constantFrom(...paths), anyJson).map(([path, text]) => withValue(review, path, JSON.parse(text))),
      );
    });
  }

  test('an object with toString, toJSON or length in any field of a review gives a decision or REVIEW_MALFORMED', () => {
    const impostors = fc.constantFrom<unknown>({ toString: 1 }, { toJSON: 1 }, { length: 1 }, ['batch'], [[]], {
      some: 1,
      map: 2,
    });
    const paths = pathsOf(aReview());
    holdsFor(fc.tuple(fc.constantFrom(...paths), impostors).map(([path, value]) => withValue(aReview(), path, value)));
  });
});
