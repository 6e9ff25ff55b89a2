import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Watch } from '@kubernetes/client-node';
import { createFollowWatch, watchObject } from '../../../src/kube/watch.ts';
import type { Log } from '../../../src/lib/log.ts';
import { eventually, promptly } from '../../support/eventually.ts';

interface Call {
  readonly path: string;
  readonly query: unknown;
  /** Sends a watch event. */
  tell(type: string, object?: unknown): void;
  end(error?: unknown): void;
  readonly controller: AbortController;
}

const target = { path: '/api/v1/namespaces/ops/secrets', name: 'cert' };
const timeout = () => new DOMException('The operation was aborted due to timeout', 'TimeoutError');
const refused = (statusCode: number) => Object.assign(new Error('refused'), { statusCode });

/**
 * Starts a watch on a fake API server with recorded calls. `refuse` makes a call throw, as the client does if it cannot
 * connect.
 */
function start(t: TestContext, { refuse = () => undefined as unknown, isAborted = false } = {}) {
  const calls: Call[] = [];
  const told: string[] = [];
  let changes = 0;
  const stop = new AbortController();
  if (isAborted) stop.abort();
  const client: Pick<Watch, 'watch'> = {
    async watch(path, query, callback, done) {
      const controller = new AbortController();
      controller.signal.addEventListener('abort', () => done(controller.signal.reason));
      calls.push({ path, query, tell: (type, object = {}) => callback(type, object), end: done, controller });
      const error = refuse();
      if (error !== undefined) throw error;
      return controller;
    },
  };
  const warn: Log['warn'] = (message, fields) => told.push(JSON.stringify([message, fields]));
  const log: Log = { error: assert.fail, warn, info: assert.fail, debug: assert.fail };
  const ended = watchObject(
    { followJson: createFollowWatch(client, () => false), log },
    target.path,
    target.name,
  )(() => (changes += 1), stop.signal);
  t.after(() => stop.abort());
  const standing = (nth: number) =>
    eventually(() => {
      const call = calls[nth];
      assert.ok(call && changes > nth);
      return call;
    });
  const begun = (nth: number) => eventually(() => assert.ok(calls[nth]));
  return { calls, told, changes: () => changes, stop: () => stop.abort(), ended, standing, begun };
}

describe('the watch of one object', { timeout: 300_000 }, () => {
  const bookmarks = { allowWatchBookmarks: 'true', timeoutSeconds: '28' };

  test('watchObject selects one object by name and requests bookmarks and an end after 28 s', async (t) => {
    const { standing } = start(t);
    const { path, query } = await standing(0);
    assert.equal(path, target.path);
    assert.deepEqual(query, { fieldSelector: 'metadata.name=cert', ...bookmarks });
  });

  test('watchObject continues an ended watch from its last bookmark, without a call of onChange', async (t) => {
    const { standing, begun, calls, changes } = start(t);
    const { tell, end } = await standing(0);
    tell('BOOKMARK', { metadata: { resourceVersion: '7' } });
    end(null);
    await begun(1);
    assert.deepEqual(calls[1]?.query, { fieldSelector: 'metadata.name=cert', resourceVersion: '7', ...bookmarks });
    calls[1].tell('MODIFIED', { metadata: { resourceVersion: '8' } });
    assert.equal(changes(), 2, 'one for the start and one for the event');
  });

  test('after a watch without an event or a bookmark, watchObject starts at the current state and calls onChange', async (t) => {
    const { standing, begun, calls, changes } = start(t);
    const { tell, end } = await standing(0);
    tell('BOOKMARK', { metadata: { resourceVersion: '7' } });
    end(null);
    await begun(1);
    calls[1]?.end(null);
    await begun(2);
    assert.deepEqual(calls[2]?.query, { fieldSelector: 'metadata.name=cert', ...bookmarks });
    await eventually(() => assert.equal(changes(), 2));
  });

  test('watchObject calls onChange when the watch starts and for each event', async (t) => {
    const { standing, changes } = start(t);
    const { tell } = await standing(0);
    assert.equal(changes(), 1);
    for (const type of ['ADDED', 'MODIFIED', 'DELETED']) tell(type);
    assert.equal(changes(), 4);
  });

  test('watchObject does not call onChange for a bookmark', async (t) => {
    const { standing, changes } = start(t);
    (await standing(0)).tell('BOOKMARK');
    assert.equal(changes(), 1);
  });

  for (const [what, error] of Object.entries({
    'the server closes it': null,
    'it was idle for its timeout': timeout(),
  })) {
    test(`watchObject starts the watch again without a log line if ${what}`, async (t) => {
      const { standing, told, changes } = start(t);
      (await standing(0)).end(error);
      await standing(1);
      assert.deepEqual([told, changes()], [[], 2]);
    });
  }

  test('watchObject starts a failed watch again, and logs only the first failure', async (t) => {
    const { standing, told } = start(t);
    for (const nth of [0, 1, 2]) (await standing(nth)).end(refused(503));
    await standing(3);
    assert.deepEqual(told, [
      '["watch failed, reconciling periodically until it recovers",{"name":"cert","code":"KUBE_UNAVAILABLE","error":"cannot watch cert: HTTP 503"}]',
    ]);
  });

  test('if the API server closes each watch at once, watchObject logs this only after the third watch', async (t) => {
    const { standing, told } = start(t);
    for (const nth of [0, 1]) (await standing(nth)).end();
    await standing(2);
    assert.deepEqual(told, []);
    for (const nth of [2, 3]) (await standing(nth)).end();
    await standing(4);
    assert.deepEqual(told, [
      '["watch failed, reconciling periodically until it recovers",{"name":"cert","error":"the watch ended within a second, or the list expired"}]',
    ]);
  });

  test('watchObject starts the watch again after an ERROR event, and logs its message', async (t) => {
    const { standing, told } = start(t);
    const { tell, controller } = await standing(0);
    tell('ERROR', { kind: 'Status', code: 500, message: 'too large resource version' });
    await standing(1);
    assert.ok(controller.signal.aborted);
    assert.match(told[0] ?? '', /KUBE_UNAVAILABLE.*cannot watch cert: too large resource version/);
  });

  test('watchObject starts the watch again if the client throws', async (t) => {
    const errors = [new Error('no connection')];
    const { told, changes, begun } = start(t, { refuse: () => errors.pop() });
    await begun(1);
    await eventually(() => assert.equal(changes(), 1, 'one has come to stand'));
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /KUBE_UNAVAILABLE.*no connection/);
  });

  test('watchObject waits longer after each failure in a row', async (t) => {
    const moments: number[] = [];
    const { begun, changes } = start(t, { refuse: () => moments.push(performance.now()) && refused(500) });
    await begun(3);
    const [first = 0, second = 0, third = 0, fourth = 0] = moments;
    // Timers can fire a millisecond early.
    assert.ok(second - first >= 99 && third - second >= 199 && fourth - third >= 399, String(moments));
    assert.equal(changes(), 0, 'nothing was seen to change');
  });

  test('if the status of the refused watch changes from 503 to 403, watchObject resets its backoff', async (t) => {
    let refusals = 0;
    let isLate = false;
    const refuse = () => {
      refusals += 1;
      // Without the reset the next pause would be 800 ms. Timers fire in the order of their times, also if the machine
      // stands still for longer.
      if (refusals === 4) setTimeout(() => (isLate = refusals === 4), 700).unref();
      return refused(refusals < 4 ? 503 : 403);
    };
    const { begun } = start(t, { refuse });
    await begun(5);
    assert.ok(!isLate, 'no watch within 700 ms of the first 403');
  });

  test('watchObject logs a forbidden watch with KUBE_FORBIDDEN', async (t) => {
    const { told } = start(t, { refuse: () => refused(403) });
    await eventually(() => assert.match(told[0] ?? '', /KUBE_FORBIDDEN.*manifests\/base\/rbac\.yaml/));
  });
});

describe('one watch request', { timeout: 300_000 }, () => {
  const never = new AbortController().signal;
  const ending = (callBack: (tell: (type: string, object: unknown) => void, end: (error: unknown) => void) => void) => {
    const client: Pick<Watch, 'watch'> = {
      async watch(_path, _query, tell, end) {
        callBack(tell, end);
        return new AbortController();
      },
    };
    return createFollowWatch(client, () => false)({ path: '/', query: {}, what: 'Jobs', onEvent: assert.fail }, never);
  };

  for (const [code, renewals] of [
    [401, 1],
    [403, 0],
  ] as const) {
    test(`a watch that the API server answers with ${code} renews the credential ${renewals} times`, async () => {
      let count = 0;
      const client: Pick<Watch, 'watch'> = {
        async watch(_path, _query, _tell, end) {
          end(refused(code));
          return new AbortController();
        },
      };
      const follow = createFollowWatch(client, () => {
        count++;
        return true;
      });
      const watch = follow({ path: '/', query: {}, what: 'Jobs', onEvent: assert.fail }, never);
      await assert.rejects(watch, { code: 'KUBE_FORBIDDEN' });
      assert.equal(count, renewals);
    });
  }

  test('watchOnce returns expired after status 410 or an ERROR event with 410', async () => {
    assert.equal(await ending((_tell, end) => end(refused(410))), 'expired');
    assert.equal(await ending((tell) => tell('ERROR', { kind: 'Status', code: 410 })), 'expired');
  });

  test('watchOnce rejects after any other status or ERROR event', async () => {
    const within = (code: number) => ending((tell) => tell('ERROR', { code, message: 'too large resource version' }));
    const away = { code: 'KUBE_UNAVAILABLE', message: /watch Jobs: too large resource version/ };
    for (const code of [500, 504]) await assert.rejects(within(code), away);
    await assert.rejects(within(400), { code: 'KUBE_REJECTED' });
    await assert.rejects(
      ending((_tell, end) => end(refused(503))),
      { code: 'KUBE_UNAVAILABLE' },
    );
  });
});

describe('the end of a watch by its signal', { timeout: 300_000 }, () => {
  test('an abort closes the open watch of watchObject and starts no other', async (t) => {
    const { standing, stop, ended, calls, told } = start(t);
    const { controller } = await standing(0);
    stop();
    await promptly(ended);
    assert.ok(controller.signal.aborted);
    assert.deepEqual([calls.length, told], [1, []]);
  });

  test('an abort ends the pause of watchObject after a failed watch', async (t) => {
    const { begun, stop, ended } = start(t, { refuse: () => refused(500) });
    await begun(2);
    stop();
    await promptly(ended);
  });

  test('an abort closes the watch of watchObject while it connects', async (t) => {
    const { stop, ended, calls } = start(t);
    stop();
    await promptly(ended);
    await eventually(() => assert.ok(calls[0]?.controller.signal.aborted));
  });

  test('an abort ends watchObject while the API server does not respond', async () => {
    const stop = new AbortController();
    const log: Log = { error: assert.fail, warn: assert.fail, info: assert.fail, debug: assert.fail };
    const hung: Pick<Watch, 'watch'> = { watch: () => new Promise(() => {}) };
    const ended = watchObject(
      { followJson: createFollowWatch(hung, () => false), log },
      target.path,
      target.name,
    )(assert.fail, stop.signal);
    stop.abort();
    await promptly(ended);
  });

  test('watchObject starts no watch if the signal was aborted before', async (t) => {
    const { ended, calls } = start(t, { isAborted: true });
    await promptly(ended);
    assert.deepEqual(calls, []);
  });
});
