import assert from 'node:assert/strict';
import { describe as suite, type TestContext, test } from 'node:test';
import jsonpatch from 'fast-json-patch';
import { type Settings, terraformPolicy } from '../../src/policy/policy.ts';
import { aJob, aTerraformJob, executor, type Json } from '../support/builders/a-job.ts';
import { anUpdate, aReview } from '../support/builders/a-review.ts';
import { recordedReviews } from '../support/builders/fixtures.ts';
import { ENDPOINT_PATH, patchOf, type Reply, startEndpoint, startPost } from '../support/cluster/endpoint.ts';

const MIB = 1024 * 1024;
const cappedLimit = { op: 'add', path: '/spec/backoffLimit', value: 0 };
const cappedPolicy = { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' };
const marked = (before: object) => ({
  op: 'add',
  path: '/metadata/annotations',
  value: { 'terraform.job.kb.io/capped': JSON.stringify({ rule: 'terraform', ...before }) },
});
const cappedOnce = [cappedLimit, cappedPolicy, marked({ backoffLimit: 2147483647, restartPolicy: 'OnFailure' })];

/** Asserts that the response allows the request without patch, warnings and annotations. */
function assertAllowed({ status, review }: Reply, uid: string): void {
  const response = { uid, allowed: true };
  assert.deepEqual(
    { status, review },
    {
      status: 200,
      review: { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response },
    },
  );
}

suite('the response to a recorded review of a real API server', () => {
  const patches: Readonly<Record<string, readonly object[]>> = {
    'create-generate-name': [],
    'create-plain-job': [],
    'create-terraform-apply': cappedOnce,
    'create-terraform-apply-controller-namespace': cappedOnce,
    'update-plain-job-server-side-apply': [],
    // The stored Job has a Pod.
    'update-terraform-apply-annotate': [],
    'update-terraform-apply-dry-run': [],
  };
  test('endpoint.test.ts has the expected patch for each recorded review of a real API server', () =>
    assert.deepEqual(
      recordedReviews.map(({ name }) => name),
      Object.keys(patches),
    ));

  for (const { name, text, review } of recordedReviews) {
    test(`the endpoint responds to the recorded review ${name}`, async (t) => {
      const endpoint = await startEndpoint(t);
      const reply = await endpoint.post(text);
      const expected = patches[name] ?? [];
      if (expected.length === 0) return assertAllowed(reply, review.request.uid);
      const { apiVersion, kind, response } = reply.review;
      assert.deepEqual([reply.status, apiVersion, kind], [200, 'admission.k8s.io/v1', 'AdmissionReview']);
      const { patch, warnings, auditAnnotations, ...rest } = response;
      assert.deepEqual(rest, { uid: review.request.uid, allowed: true, patchType: 'JSONPatch' });
      assert.deepEqual(patchOf(reply), expected);
      const { newDocument } = jsonpatch.applyPatch(review.request.object, patchOf(reply), true);
      assert.equal(newDocument.spec.backoffLimit, 0);
      assertPresentable(warnings, auditAnnotations);
    });
  }
});

/**
 * Asserts that the API server will not drop the warnings and annotations: it drops a warning with control characters
 * and an annotation whose key is not a qualified name.
 */
function assertPresentable(warnings: readonly string[], auditAnnotations: Readonly<Record<string, string>>): void {
  assert.ok(warnings.length > 0);
  for (const warning of warnings) {
    assert.match(warning, /^terraform-daemon: (patched to (run once|allow no retry) \(.+\)|with restartPolicy .+)$/);
    assert.ok(warning.length <= 120, `${warning.length} characters`);
    assert.doesNotMatch(warning, /\p{Cc}/u);
  }
  for (const key of Object.keys(auditAnnotations)) assert.match(key, /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
}

suite('warning and audit annotations of a capped Job', () => {
  test('the warning and the audit annotations explain a capped Job', async (t) => {
    const endpoint = await startEndpoint(t);
    const { review } = await endpoint.post(aReview({ object: aTerraformJob({ backoffLimit: undefined }) }));
    const changes = 'backoffLimit unset -> 0, restartPolicy OnFailure -> Never';
    assert.deepEqual(review.response.warnings, [`terraform-daemon: patched to run once (${changes})`]);
    assert.deepEqual(review.response.auditAnnotations, { rule: 'terraform', changes });
  });

  const warningsOf = async (t: TestContext, review: Json, set: Partial<Settings> = {}) => {
    const rules = terraformPolicy.rules.map((rule) => ({ ...rule, set: { ...rule.set, ...set } }));
    const endpoint = await startEndpoint(t, { policy: () => ({ rules }) });
    return (await endpoint.post(review)).review.response.warnings;
  };

  test('a second warning says that a container may start twice if restartPolicy stays OnFailure', async (t) => {
    const warnings = [
      'terraform-daemon: patched to allow no retry (backoffLimit 2147483647 -> 0)',
      'terraform-daemon: with restartPolicy OnFailure a container may start twice',
    ];
    assert.deepEqual(await warningsOf(t, anUpdate()), warnings);
    assert.deepEqual(await warningsOf(t, aReview(), { restartPolicy: 'Keep' }), warnings);
  });

  test('the warning says "run once" on CREATE only, because a stored Job may have been retried', async (t) => {
    const object = aTerraformJob({ restartPolicy: 'Never' });
    const once = 'terraform-daemon: patched to run once (backoffLimit 2147483647 -> 0)';
    assert.deepEqual(await warningsOf(t, aReview({ object })), [once]);
    const none = 'terraform-daemon: patched to allow no retry (backoffLimit 2147483647 -> 0)';
    assert.deepEqual(await warningsOf(t, anUpdate({ object })), [none]);
  });

  test('the warning says "limit" if the policy allows retries', async (t) => {
    const limited = 'terraform-daemon: patched to limit the retries (backoffLimit 2147483647 -> 3)';
    assert.deepEqual(await warningsOf(t, anUpdate(), { backoffLimit: 3 }), [limited]);
  });

  test('an UPDATE that only puts restartPolicy back gets a patch and no warning', async (t) => {
    const oldObject = aTerraformJob({ restartPolicy: 'Never' });
    const endpoint = await startEndpoint(t);
    const reply = await endpoint.post(anUpdate({ object: aTerraformJob({ backoffLimit: 0 }), oldObject }));
    assert.deepEqual(
      [patchOf(reply), reply.review.response.warnings],
      [[cappedPolicy, marked({ restartPolicy: 'OnFailure' })], []],
    );
  });
});

suite('a review of the largest Job that etcd accepts', () => {
  // Returns a review of an UPDATE whose old and new Job contain `kib` KiB of `<`. Go escapes each `<` as six bytes
  // (`\u003c`).
  const ofAngles = (kib: number) => {
    const env = [{ name: 'ANGLES', value: '<'.repeat(kib * 1024) }];
    const object = aTerraformJob({ containers: [{ ...executor, env }] });
    return JSON.stringify(anUpdate({ object })).replaceAll('<', '\\u003c');
  };

  test('the endpoint caps an UPDATE whose review is over 17 MiB, as for the largest Job that etcd accepts', async (t) => {
    const body = ofAngles(1_500);
    assert.ok(body.length > 17 * MIB);
    const reply = await (await startEndpoint(t)).post(body);
    assert.deepEqual([reply.status, patchOf(reply)], [200, [cappedLimit, marked({ backoffLimit: 2147483647 })]]);
  });
});

suite('the response to a valid review', () => {
  const rows: [name: string, review: Json, status?: object][] = [
    ['the subresource status', anUpdate({ subResource: 'status' })],
    ['a DELETE', aReview({ operation: 'DELETE', object: null, oldObject: aTerraformJob() })],
    ['a Job that no rule matches', aReview({ object: aJob({ name: 'oss-bucket-apply' }) })],
    [
      'a Job that is being deleted',
      anUpdate({ oldObject: aTerraformJob({ deletionTimestamp: '2026-11-23T09:35:34Z' }) }),
    ],
    ['a Job that is capped already', aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) })],
    ['a null object', aReview({ object: null }), { code: 400, message: 'object: invalid value null: must be a Job' }],
  ];
  for (const [name, review, status] of rows) {
    test(`the endpoint ${status ? 'refuses' : 'allows'} a review of ${name}${status ? '' : ' without a change'}`, async (t) => {
      const reply = await (await startEndpoint(t)).post(review);
      if (status === undefined) return assertAllowed(reply, review.request.uid);
      assert.equal(reply.status, 200);
      assert.deepEqual(reply.review.response, { uid: review.request.uid, allowed: false, status });
    });
  }
});

suite('the response to a request without a valid review', () => {
  const json = (type: string) => ({ headers: { 'Content-Type': type } });
  const ofSize = (bytes: number) => {
    const empty = JSON.stringify(aReview({ padding: '' })).length;
    return aReview({ padding: 'x'.repeat(bytes - empty) });
  };
  const rows: [name: string, body: unknown, options: object, status: number, text: RegExp][] = [
    ['a POST to another path', aReview(), { path: '/' }, 404, /^the endpoint is \/modify-terraform-job$/],
    ['a POST to a path below its own', aReview(), { path: `${ENDPOINT_PATH}/x` }, 404, /^the endpoint is/],
    ['a POST to its path with a slash at the end', aReview(), { path: `${ENDPOINT_PATH}/` }, 404, /^the endpoint is/],
    ['a GET', '', { method: 'GET' }, 405, /^method: invalid value GET: must be POST$/],
    ['a PUT', aReview(), { method: 'PUT' }, 405, /^method: invalid value PUT: must be POST$/],
    [
      'the content type text/plain',
      aReview(),
      json('text/plain'),
      415,
      /^Content-Type: invalid value text\/plain: must be application\/json$/,
    ],
    [
      'the content type application/json-patch+json',
      aReview(),
      json('application/json-patch+json'),
      415,
      /^Content-Type: invalid value /,
    ],
    [
      'a request without content type',
      aReview(),
      { headers: {} },
      415,
      /^Content-Type: required: must be application\/json$/,
    ],
    [
      'an unknown charset',
      aReview(),
      json('application/json; charset=klingon'),
      415,
      /^charset: invalid value klingon: must be utf-8$/,
    ],
    ['an empty body', '', {}, 400, /must be/],
    ['an incomplete JSON body', JSON.stringify(aReview()).slice(0, 500), {}, 400, /JSON/],
    ['a body that is not JSON', 'apiVersion: admission.k8s.io/v1', {}, 400, /^body: invalid first character "a": /],
    ['a body of white space', ' \t\r\n', {}, 400, /^body: required: must be a JSON object$/],
    [
      'a JSON body that is not an object',
      'null',
      {},
      400,
      /^body: invalid first character "n": must be a JSON object$/,
    ],
    ['a Job instead of a review', aJob(), {}, 400, /^kind: invalid value "Job": must be "AdmissionReview"$/],
    ['a review without uid', aReview({ uid: undefined }), {}, 400, /^request\.uid: required: must be a string$/],
    [
      'a review of version v1beta1',
      { ...aReview(), apiVersion: 'admission.k8s.io/v1beta1' },
      {},
      400,
      /^apiVersion: invalid value .*v1beta1"/,
    ],
  ];
  for (const [name, body, options, status, text] of rows) {
    test(`the endpoint responds ${status} to ${name}`, async (t) => {
      const endpoint = await startEndpoint(t);
      const reply = await endpoint.post(body, options);
      assert.equal(reply.status, status);
      assert.equal(reply.headers['content-type'], 'text/plain; charset=utf-8');
      assert.match(reply.text.trimEnd(), text);
      assert.equal(reply.headers.allow, status === 405 ? 'POST' : undefined);
    });
  }

  const accepted: [name: string, body: unknown, options: object][] = [
    ['a body of exactly 20 MiB', ofSize(20 * MIB), {}],
    ['white space before the JSON', ` \n${JSON.stringify(aReview())}`, {}],
    ['the charset utf-8', aReview(), json('application/json; charset=utf-8')],
    ['a request without query string', aReview(), { path: ENDPOINT_PATH }],
    ['the query string of the API server', aReview(), { path: `${ENDPOINT_PATH}?timeout=5s` }],
    ['a request line with the whole URL', aReview(), { path: `https://127.0.0.1${ENDPOINT_PATH}?timeout=5s` }],
    [
      'a query string with several parameters',
      aReview(),
      { path: `${ENDPOINT_PATH}?timeout=5s&timeout=6s&__proto__[a]=b&x` },
    ],
  ];
  for (const [name, body, options] of accepted) {
    test(`the endpoint accepts ${name}`, async (t) => {
      const reply = await (await startEndpoint(t)).post(body, options);
      assert.deepEqual([reply.status, patchOf(reply)], [200, cappedOnce]);
    });
  }

  test('the endpoint responds 413 to a Content-Length over 20 MiB before the body is sent', async (t) => {
    const endpoint = await startEndpoint(t);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': String(20 * MIB + 1) };
    const { request, reply } = startPost(endpoint, { headers });
    request.flushHeaders();
    const { status, text } = await reply;
    request.on('error', () => {}).destroy();
    assert.deepEqual([status, text], [413, 'body: too large: must be at most 20 MiB\n']);
  });

  test('the endpoint responds 413 to a chunked body over 20 MiB', async (t) => {
    const endpoint = await startEndpoint(t);
    const { request, reply } = startPost(endpoint);
    request.write('{"padding":"');
    request.end('x'.repeat(20 * MIB));
    assert.equal((await reply).status, 413);
  });

  test('the endpoint responds 400 to a body that does not begin with "{", without waiting for the rest', async (t) => {
    const endpoint = await startEndpoint(t);
    const { request, reply } = startPost(endpoint, {
      headers: { ...json('application/json').headers, 'Content-Length': '9999' },
    });
    request.write(' \n');
    request.write('[');
    assert.equal((await reply).status, 400);
    request.on('error', () => {}).destroy();
  });
});
