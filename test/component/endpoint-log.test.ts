import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { aJob, aTerraformJob, type Json } from '../support/builders/a-job.ts';
import { anUpdate, aReview } from '../support/builders/a-review.ts';
import { startEndpoint } from '../support/cluster/endpoint.ts';

suite('the log line and the metric of each response', () => {
  const of = (name: string, operation: string) => ({
    namespace: 'team-a',
    name,
    operation,
    uid: aReview().request.uid,
  });
  const rows: [name: string, review: Json, outcome: string, line: object][] = [
    [
      'the review of a terraform Job',
      aReview(),
      'patched',
      {
        level: 'info',
        message: 'admission request patched',
        fields: {
          ...of('oss-bucket-apply', 'CREATE'),
          rule: 'terraform',
          backoffLimit: 2147483647,
          restartPolicy: 'OnFailure',
        },
      },
    ],
    [
      'a dry run for a terraform Job',
      anUpdate({ dryRun: true, object: aTerraformJob({ backoffLimit: undefined }) }),
      'patched',
      {
        level: 'info',
        message: 'admission request patched',
        fields: { ...of('oss-bucket-apply', 'UPDATE'), dryRun: true, rule: 'terraform', backoffLimit: null },
      },
    ],
    [
      'an UPDATE that only sends OnFailure again',
      anUpdate({ object: aTerraformJob({ backoffLimit: 0 }), oldObject: aTerraformJob({ restartPolicy: 'Never' }) }),
      'patched',
      {
        level: 'debug',
        message: 'restartPolicy put back in the request',
        fields: { ...of('oss-bucket-apply', 'UPDATE'), rule: 'terraform' },
      },
    ],
    [
      'the review of a Job that no rule matches',
      aReview({ object: aJob() }),
      'allowed',
      { level: 'debug', message: 'job allowed', fields: { ...of('report', 'CREATE'), reason: 'no-rule' } },
    ],
    [
      'the review of an invalid Job',
      aReview({ object: aJob({ backoffLimit: '6' }) }),
      'refused',
      {
        level: 'warn',
        message: 'job refused',
        fields: { ...of('report', 'CREATE'), problem: 'object.spec.backoffLimit: invalid value "6": must be a number' },
      },
    ],
    [
      'a body that is not a review',
      {},
      'malformed',
      {
        level: 'warn',
        message: 'malformed admission request',
        fields: {
          code: 'REVIEW_MALFORMED',
          status: 400,
          error: 'kind: required: must be "AdmissionReview"',
          count: 1,
        },
      },
    ],
  ];
  for (const [name, review, outcome, line] of rows) {
    test(`the endpoint logs and counts ${name} as ${outcome}`, async (t) => {
      const { post, lines, outcomes } = await startEndpoint(t);
      await post(review);
      assert.deepEqual({ lines, outcomes }, { lines: [line], outcomes: [outcome] });
    });
  }
});

test('of several malformed reviews within a minute, the endpoint logs the first as a warning and the others at debug', async (t) => {
  const { post, lines, outcomes } = await startEndpoint(t);
  for (const body of [{}, '[', { kind: 'Status' }]) await post(body);
  assert.deepEqual(
    lines.map(({ level, fields: { status, count } }) => [level, status, count]),
    [
      ['warn', 400, 1],
      ['debug', 400, undefined],
      ['debug', 400, undefined],
    ],
  );
  assert.deepEqual(outcomes, ['malformed', 'malformed', 'malformed']);
});

test('the endpoint truncates long texts of a client in the log', async (t) => {
  const long = 'x'.repeat(300);
  const cut = 'x'.repeat(256);
  const { post, lines } = await startEndpoint(t);
  const texts = { uid: long, name: long, namespace: long };
  await post(aReview({ ...texts, object: aTerraformJob() }));
  await post(aReview({ ...texts, object: aJob() }));
  await post(aReview({ ...texts, object: null }));
  await post(`{${long}}`);
  await post(aReview({ operation: { long } }));
  assert.deepEqual(
    lines.slice(0, 3).map(({ fields: { uid, name, namespace } }) => ({ uid, name, namespace })),
    Array(3).fill({ uid: cut, name: cut, namespace: cut }),
  );
  for (const { fields } of lines) {
    for (const value of Object.values(fields)) assert.ok(String(value).length <= 256, String(value));
  }
});
