import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import fc from 'fast-check';
import { OPT_OUT_ANNOTATION, type Policy, terraformPolicy } from '../../src/policy/policy.ts';
import { aTerraformJob, type Json } from '../support/builders/a-job.ts';
import { anUpdate, aReview } from '../support/builders/a-review.ts';
import { anyJson, pathsOf, withValue } from '../support/builders/any-job.ts';
import { anyPolicy } from '../support/builders/any-policy.ts';
import { recordedReviews } from '../support/builders/fixtures.ts';
import { patchOf, startEndpoint } from '../support/cluster/endpoint.ts';

/** Returns whether a review has a uid and a readable request, independently of the code of the endpoint. */
function isWhole(body: Json): boolean {
  const { kind, apiVersion, request } = Object(body);
  const { uid, operation, namespace, name, subResource } = Object(request);
  return (
    [kind, apiVersion].join() === 'AdmissionReview,admission.k8s.io/v1' &&
    [uid, operation ?? '', namespace ?? '', name ?? '', subResource ?? ''].every((text) => typeof text === 'string') &&
    uid !== ''
  );
}

function assertAnswers({ uid, allowed, status, patch, patchType }: Json, request: Json): void {
  assert.equal(uid, request.uid);
  if (allowed) assert.equal(patchType, patch === undefined ? undefined : 'JSONPatch');
  else assert.match(`${status.code} ${status.message}`, /^400 object\b.*: (invalid value .+|required): must be /);
}

const [terraform] = terraformPolicy.rules;
assert.ok(terraform);
suite('the endpoint and its policy', () => {
  test('the endpoint uses the policy that is in force when a request arrives', async (t) => {
    let policy = terraformPolicy;
    const { post } = await startEndpoint(t, { policy: () => policy });
    assert.equal(patchOf(await post(aReview())).length, 3);
    policy = { rules: [{ ...terraform, name: 'soft', set: { backoffLimit: 3, restartPolicy: 'Keep' } }] };
    const reply = await post(aReview());
    const mark = { 'terraform.job.kb.io/capped': '{"rule":"soft","backoffLimit":2147483647}' };
    assert.deepEqual(patchOf(reply), [
      { op: 'add', path: '/spec/backoffLimit', value: 3 },
      { op: 'add', path: '/metadata/annotations', value: mark },
    ]);
    assert.equal(reply.review.response.auditAnnotations.rule, 'soft');
    assert.match(reply.review.response.warnings[0], /patched to limit the retries \(backoffLimit 2147483647 -> 3\)$/);
  });

  test('the endpoint does not change an opted-out Job', async (t) => {
    const { post, lines } = await startEndpoint(t);
    const object = aTerraformJob();
    object.metadata.annotations = { [OPT_OUT_ANNOTATION]: 'true' };
    assert.deepEqual((await post(aReview({ object }))).review.response.patch, undefined);
    assert.equal(lines[0]?.fields.reason, 'opted-out');
  });

  test('for random requests and policies, the endpoint responds to a complete AdmissionReview with 200 and to any other body with 400', async (t) => {
    let policy = terraformPolicy;
    const { post } = await startEndpoint(t, { policy: () => policy });
    const reviews = [aReview(), anUpdate(), ...recordedReviews.map(({ review }) => review)];
    const altered = fc
      .tuple(
        fc.constantFrom(...reviews.flatMap((review) => pathsOf(review).map((path) => ({ review, path })))),
        anyJson,
      )
      .map(([{ review, path }, text]) => withValue(review, path, JSON.parse(text)));
    const bodies = fc.oneof(
      fc.json().map((text) => JSON.parse(text)),
      altered,
      fc.constantFrom(...reviews),
    );
    const check = async (body: Json, any: Policy) => {
      policy = any;
      const { status, review } = await post(body);
      assert.equal(status, isWhole(body) ? 200 : 400);
      if (status === 200) assertAnswers(review.response, body.request);
      if (reviews.includes(body)) assert.ok(review.response.allowed, 'there is nothing wrong with it');
    };
    await fc.assert(fc.asyncProperty(bodies, anyPolicy, check), { numRuns: 300 });
  });
});
