import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { type Policy, terraformPolicy } from '../../src/policy/policy.ts';
import { aReview } from '../support/builders/a-review.ts';
import { startEndpoint } from '../support/cluster/endpoint.ts';

const boom = (): never => {
  throw new Error('boom');
};

suite('an internal error in the endpoint', () => {
  const faultyPolicy = (): Policy => boom();

  test('after an internal error the endpoint responds 500 without details, so that failurePolicy decides about the Job', async (t) => {
    const endpoint = await startEndpoint(t, { policy: faultyPolicy });
    const { status, text, headers } = await endpoint.post(aReview());
    assert.deepEqual([status, text], [500, 'internal error\n']);
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
  });

  test('the endpoint logs an internal error once, with its stack', async (t) => {
    const { post, lines, outcomes } = await startEndpoint(t, { policy: faultyPolicy });
    await post(aReview());
    const [line, ...others] = lines;
    assert.deepEqual([others, outcomes], [[], ['error']]);
    assert.deepEqual(
      [line?.level, line?.message, line?.fields.error],
      ['error', 'cannot answer an admission request', 'boom'],
    );
    assert.match(line?.fields.stack, /^Error: boom\n +at /);
  });

  test('after an internal error the endpoint serves the next request normally', async (t) => {
    let faults = 1;
    const endpoint = await startEndpoint(t, {
      policy: () => (faults-- > 0 ? boom() : terraformPolicy),
    });
    assert.equal((await endpoint.post(aReview())).status, 500);
    assert.equal((await endpoint.post(aReview())).review.response.allowed, true);
  });

  test('if writing the log line fails, the endpoint responds 500, so that it sends no unlogged response', async (t) => {
    const { post, outcomes } = await startEndpoint(t, { log: { info: boom } });
    assert.equal((await post(aReview())).status, 500);
    assert.deepEqual(outcomes, ['error']);
  });

  test('if the error cannot be logged either, the endpoint closes the connection, and serves the next request', async (t) => {
    let faults = 2;
    const log = { info: boom, error: () => (faults-- > 0 ? boom() : undefined) };
    const { post } = await startEndpoint(t, { log });
    await assert.rejects(post(aReview()), { code: 'ECONNRESET' });
    await assert.rejects(post(aReview()), { code: 'ECONNRESET' });
    assert.equal((await post(aReview())).status, 500);
  });
});
