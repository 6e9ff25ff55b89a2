import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import { describe, test } from 'node:test';
import { type ErrorCode, errorCodes, OperatorError } from '../../../src/lib/errors.ts';
import { withRetries } from '../../../src/lib/retry.ts';

const never = new AbortController().signal;

/** Returns an attempt that fails with these errors in turn and then succeeds, and the recorded log lines. */
function anAttempt(...failures: readonly Error[]) {
  const lines: object[] = [];
  const log = { error: assert.fail, info: assert.fail, debug: assert.fail, warn };
  let calls = 0;
  function warn(message: string, fields = {}) {
    lines.push({ message, ...fields });
  }
  return {
    lines,
    log,
    calls: () => calls,
    attempt: async () => {
      const failure = failures[calls];
      calls += 1;
      if (failure) throw failure;
      return 'done';
    },
  };
}

const retryable = new Set<ErrorCode>(['WRITES_PAUSED', 'KUBE_CONFLICT', 'KUBE_UNAVAILABLE']);

describe('withRetries', () => {
  test('withRetries returns the result of a first attempt that succeeds, and logs nothing', async () => {
    const { attempt, log, lines, calls } = anAttempt();
    assert.equal(await withRetries(attempt, { log, signal: never }), 'done');
    assert.deepEqual([calls(), lines], [1, []]);
  });

  test('withRetries retries until an attempt succeeds, and logs each failure with its code and delay', async () => {
    const failures = (['KUBE_CONFLICT', 'KUBE_UNAVAILABLE'] as const).map(
      (code) => new OperatorError(code, `was ${code}`),
    );
    const { attempt, log, lines, calls } = anAttempt(...failures);
    assert.equal(await withRetries(attempt, { log, signal: never }), 'done');
    assert.equal(calls(), 3);
    const [first, second] = lines as { delayMs: number }[];
    const delays = [first?.delayMs ?? 0, second?.delayMs ?? 0] as const;
    assert.deepEqual(lines, [
      {
        message: 'start failed, will try again',
        attempt: 1,
        delayMs: delays[0],
        code: 'KUBE_CONFLICT',
        error: 'was KUBE_CONFLICT',
      },
      {
        message: 'start failed, will try again',
        attempt: 2,
        delayMs: delays[1],
        code: 'KUBE_UNAVAILABLE',
        error: 'was KUBE_UNAVAILABLE',
      },
    ]);
    assert.notDeepEqual(delays, [200, 400], 'there is no jitter');
    assert.ok(delays[0] >= 200 && delays[0] <= 400 && delays[1] >= 400 && delays[1] <= 800, `waits ${delays} ms`);
  });

  test('withRetries waits at most 5 s between attempts', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    syncBuiltinESMExports(); // without this call, imports of node:timers/promises do not see the mock
    t.after(() => {
      t.mock.timers.reset();
      syncBuiltinESMExports();
    });
    const { attempt, log } = anAttempt(...Array(12).fill(new OperatorError('KUBE_UNAVAILABLE', 'down')));
    const delays: number[] = [];
    const warn = (_message: string, { delayMs = 0 } = {}) => {
      delays.push(delayMs);
      setImmediate(() => t.mock.timers.tick(delayMs));
    };
    await withRetries(attempt, { log: { ...log, warn }, signal: never });
    assert.equal(delays.length, 12);
    assert.ok(Math.max(...delays) <= 5_000 && (delays.at(-1) ?? 0) >= 2_500, `waits ${delays} ms`);
  });

  for (const code of retryable) {
    test(`withRetries retries after ${code}`, async () => {
      const { attempt, log, calls } = anAttempt(new OperatorError(code, 'later'));
      assert.equal(await withRetries(attempt, { log, signal: never }), 'done');
      assert.equal(calls(), 2);
    });
  }

  describe('withRetries after KUBE_FORBIDDEN', () => {
    const refused = new OperatorError('KUBE_FORBIDDEN', 'no');
    const down = new OperatorError('KUBE_UNAVAILABLE', 'down');
    const cases = [
      {
        name: 'withRetries gives up when KUBE_FORBIDDEN has lasted for 15 s',
        failures: [refused, refused, refused],
        atMs: [0, 14_999, 15_000],
        calls: 3,
      },
      {
        name: 'withRetries counts the 15 s of KUBE_FORBIDDEN from the first refusal, not from an outage before it',
        failures: [down, refused, refused],
        atMs: [0, 60_000, 74_999],
        calls: 4,
      },
      {
        name: 'withRetries counts the 15 s of KUBE_FORBIDDEN again after an outage',
        failures: [refused, down, refused],
        atMs: [0, 10_000, 20_000],
        calls: 4,
      },
    ];
    for (const { name, failures, atMs, calls } of cases) {
      test(name, async (t) => {
        t.mock.timers.enable({ apis: ['setTimeout'] });
        syncBuiltinESMExports(); // without this call, imports of node:timers/promises do not see the mock
        t.after(() => {
          t.mock.timers.reset();
          syncBuiltinESMExports();
        });
        const { attempt, log, calls: called } = anAttempt(...failures);
        t.mock.method(performance, 'now', () => atMs[called() - 1] ?? 0);
        const warn = (_message: string, { delayMs = 0 } = {}) => void setImmediate(() => t.mock.timers.tick(delayMs));
        const end = withRetries(attempt, { log: { ...log, warn }, signal: never });
        if (calls > failures.length) assert.equal(await end, 'done');
        else await assert.rejects(end, refused);
        assert.equal(called(), calls);
      });
    }
  });

  const passing = new Set([...retryable, 'KUBE_FORBIDDEN']);
  for (const code of errorCodes.filter((code) => !passing.has(code))) {
    test(`withRetries throws ${code} at once`, async () => {
      const failure = new OperatorError(code, 'no use');
      const { attempt, log, lines, calls } = anAttempt(failure);
      await assert.rejects(withRetries(attempt, { log, signal: never }), failure);
      assert.deepEqual([calls(), lines], [1, []]);
    });
  }

  test('withRetries throws an unexpected error at once, also a TypeError of fetch', async () => {
    for (const bug of [new Error('a bug'), new TypeError('fetch failed')]) {
      const { attempt, log, lines, calls } = anAttempt(bug);
      await assert.rejects(withRetries(attempt, { log, signal: never }), bug);
      assert.deepEqual([calls(), lines], [1, []]);
    }
  });

  test('withRetries throws the first error that is not retryable', async () => {
    const rejected = new OperatorError('KUBE_REJECTED', 'no');
    const { attempt, log, calls } = anAttempt(new OperatorError('KUBE_CONFLICT', 'later'), rejected);
    await assert.rejects(withRetries(attempt, { log, signal: never }), rejected);
    assert.equal(calls(), 2);
  });

  test("withRetries rejects with the signal's reason when it is aborted during a delay", {
    timeout: 5_000,
  }, async () => {
    const controller = new AbortController();
    const reason = new Error('asked to stop');
    const { attempt, log, calls } = anAttempt(...Array(10).fill(new OperatorError('KUBE_UNAVAILABLE', 'down')));
    const warn = () => void setImmediate(() => controller.abort(reason));
    await assert.rejects(withRetries(attempt, { log: { ...log, warn }, signal: controller.signal }), reason);
    assert.equal(calls(), 1);
  });

  test('withRetries makes no attempt if the signal was aborted before', async () => {
    const { attempt, log, calls } = anAttempt();
    await assert.rejects(withRetries(attempt, { log, signal: AbortSignal.abort(new Error('stopped')) }), /stopped/);
    assert.equal(calls(), 0);
  });
});
