import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { type Policy, terraformPolicy } from '../../src/policy/policy.ts';
import { aReview } from '../support/builders/a-review.ts';
import { startEndpoint } from '../support/cluster/endpoint.ts';

const boom = (): never => {
  throw new Error('boom');
};

suite('a fault of our own is answered with 500, so that failurePolicy decides', () => {
  const faultyPolicy = (): Policy => boom();

  test('an internal error is a 500 that neither denies the Job nor reveals details', async (t) => {
    const endpoint = await startEndpoint(t, { policy: faultyPolicy });
    const { status, text, headers } = await endpoint.post(aReview());
    assert.deepEqual([status, text], [500, 'internal error\n']);
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
  });

  test('an internal error is logged once with its stack', async (t) => {
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

  test('after an internal error the next request gets its normal response', async (t) => {
    let faults = 1;
    const endpoint = await startEndpoint(t, {
      policy: () => (faults-- > 0 ? boom() : terraformPolicy),
    });
    assert.equal((await endpoint.post(aReview())).status, 500);
    assert.equal((await endpoint.post(aReview())).review.response.allowed, true);
  });

  test('if the log fails, the response is 500, so that no unlogged response is sent', async (t) => {
    const { post, outcomes } = await startEndpoint(t, { log: { info: boom } });
    assert.equal((await post(aReview())).status, 500);
    assert.deepEqual(outcomes, ['error']);
  });
});
