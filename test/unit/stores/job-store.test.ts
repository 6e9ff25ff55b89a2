import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CapDecision, ExplainDecision } from '../../../src/backstop/decide.ts';
import { missedEvent, ranOnceEvent } from '../../../src/backstop/job-events.ts';
import { AnswerTooLong, type JsonCalls } from '../../../src/kube/requests.ts';
import { createJobStore } from '../../../src/stores/job-store.ts';
import type { Json } from '../../support/builders/a-job.ts';

const kept = { isLogKept: true, reason: undefined };
const gone = { isLogKept: false, reason: undefined };
const late = { isLogKept: false, reason: 'DeadlineExceeded'.repeat(100) };
const job = { namespace: 'team-a', name: 'oss-bucket-apply', uid: 'u-1', resourceVersion: '7' };
const refused = (code: number, body: object = {}) =>
  Object.assign(new Error('refused'), { code, body: JSON.stringify(body) });
const notFound = refused(404, { reason: 'NotFound', details: { name: 'oss-bucket-apply', kind: 'jobs' } });

/** An API server that answers every call like this, and remembers it. */
function answering(answer: unknown) {
  const calls: unknown[][] = [];
  const reply = async (...call: unknown[]) => {
    calls.push(call);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const json: JsonCalls = {
    callJson: reply,
    async followJson(...call) {
      await reply(...call);
      return 'ended';
    },
  };
  return { calls, store: createJobStore(json) };
}

function firstOf(calls: readonly unknown[][]): Json {
  const [method, path, options] = calls[0] ?? [];
  return { method, path, ...(options as object) };
}

describe('a Job', () => {
  test('is capped by a patch that holds for the very Job that was seen', async () => {
    const { store, calls } = answering({ spec: { backoffLimit: 0 } });
    assert.equal(await store.cap(job, 0), 'capped');
    assert.deepEqual(firstOf(calls), {
      method: 'PATCH',
      path: '/apis/batch/v1/namespaces/team-a/jobs/oss-bucket-apply',
      query: { fieldManager: 'terraform-daemon' },
      patch: 'merge',
      body: { metadata: { uid: 'u-1', resourceVersion: '7' }, spec: { backoffLimit: 0 } },
    });
  });

  test('that has changed or is gone is lost, not an error', async () => {
    for (const answer of [refused(409), notFound]) assert.equal(await answering(answer).store.cap(job, 0), 'lost');
  });

  test('that answers with another limit was not capped', async () => {
    assert.equal(await answering({ spec: { backoffLimit: 6 } }).store.cap(job, 0), 'undone');
    assert.equal(await answering({ spec: {} }).store.cap(job, 0), 'undone');
    assert.equal(
      await answering({ spec: { backoffLimit: 0 } }).store.cap(job, 3),
      'capped',
      'and by somebody else too',
    );
  });

  test('is read by a list with its name, which needs no right beyond those of the watch', async () => {
    const stored = { metadata: job };
    const { store, calls } = answering({ items: [stored] });
    assert.deepEqual(await store.read(job), stored);
    const query = { fieldSelector: 'metadata.name=oss-bucket-apply' };
    assert.deepEqual(firstOf(calls), { method: 'GET', path: '/apis/batch/v1/namespaces/team-a/jobs', query });
  });

  test('is read as undefined when it was deleted, also if another Job has its name', async () => {
    for (const items of [[], [{ metadata: { ...job, uid: 'u-2' } }]]) {
      assert.equal(await answering({ items }).store.read(job), undefined);
    }
    await assert.rejects(answering(refused(503)).store.read(job), { code: 'KUBE_UNAVAILABLE' });
  });

  test('that cannot be patched says why, and names the rights where it is about rights', async () => {
    const problemOf = async (message?: string) => {
      const { store } = answering(refused(403, message === undefined ? {} : { message }));
      return store.cap(job, 0).then(
        () => assert.fail(),
        ({ code, message }) => `${code} ${message}`,
      );
    };
    const named = /^KUBE_FORBIDDEN cannot patch Job team-a\/.*rbac-backstop/;
    assert.match(await problemOf('jobs.batch "a" is forbidden: User "b" cannot patch resource "jobs"'), named);
    assert.match(await problemOf(), named);
    const denied = 'jobs.batch "a" is forbidden: ValidatingAdmissionPolicy "b" with binding "b" denied request: no';
    assert.equal(await problemOf(denied), `KUBE_FORBIDDEN cannot patch Job team-a/oss-bucket-apply: ${denied}`);
  });
});

describe('a page of Jobs', () => {
  test('is asked for by what the one before has said', async () => {
    const { store, calls } = answering({ metadata: { resourceVersion: '7', continue: 'more' } });
    assert.deepEqual(await store.page('from', () => {}), { resourceVersion: '7', next: 'more' });
    const { path, query } = firstOf(calls);
    assert.deepEqual([path, query], ['/apis/batch/v1/jobs', { limit: '100', continue: 'from' }]);
  });

  test('is the last one where nothing is to follow', async () => {
    const { store, calls } = answering({ metadata: { resourceVersion: '7', continue: '' } });
    assert.deepEqual(await store.page(undefined, () => {}), { resourceVersion: '7', next: undefined });
    assert.deepEqual(firstOf(calls).query, { limit: '100' });
  });

  test('is expired by 410, and fails by any other error', async () => {
    const { store } = answering(refused(410));
    assert.equal(await store.page('from', () => {}), 'expired');
    const away = answering(refused(503)).store;
    await assert.rejects(
      away.page(undefined, () => {}),
      { code: 'KUBE_UNAVAILABLE' },
    );
  });

  test('calls the handler for each Job of the list', async () => {
    const seen: unknown[] = [];
    const { store } = answering({ metadata: { resourceVersion: '7' }, items: [{ a: 1 }, 2] });
    await store.page(undefined, (job) => seen.push(job));
    assert.deepEqual(seen, [{ a: 1 }, 2]);
  });

  for (const [what, error] of [
    ['the answer is too long', new AnswerTooLong()],
    ['the answer does not arrive in time', new DOMException('timeout', 'TimeoutError')],
  ] as const) {
    test(`is read again with five Jobs when ${what}`, async () => {
      const limits: unknown[] = [];
      const callJson: JsonCalls['callJson'] = async (_method, _path, { query, mostBytes } = {}) => {
        limits.push([query?.limit, mostBytes]);
        if (mostBytes !== undefined) throw error;
        return { metadata: { resourceVersion: '7', continue: 'more' }, items: [] };
      };
      const store = createJobStore({ callJson, followJson: assert.fail });
      assert.deepEqual(await store.page(undefined, () => {}), { resourceVersion: '7', next: 'more' });
      assert.deepEqual(limits, [
        ['100', 8 * 1024 * 1024],
        ['5', undefined],
      ]);
    });
  }

  test('is followed by a watch with bookmarks, which the API server ends first', async () => {
    const { store, calls } = answering(undefined);
    assert.equal(await store.watch('7', () => {}, new AbortController().signal), 'ended');
    const query = { resourceVersion: '7', allowWatchBookmarks: 'true', timeoutSeconds: '28' };
    const [[{ path, query: sent, what }]] = calls as [[Json]];
    assert.deepEqual({ path, sent, what }, { path: '/apis/batch/v1/jobs', sent: query, what: 'Jobs' });
  });
});

describe('an Event on a Job', () => {
  const missed = (fields: Partial<CapDecision>) => missedEvent({ action: 'cap', job, from: 6, to: 0, ...fields });
  const ranOnce = (end: Pick<ExplainDecision, 'isLogKept' | 'reason'>, about = job) =>
    ranOnceEvent({ action: 'explain', job: about, ...end });

  test('is created beside it, under a name that tells it from no other of its kind', async () => {
    const { store, calls } = answering({});
    assert.equal(await store.writeEvent(job, ranOnce(kept)), true);
    const { method, path, body } = firstOf(calls);
    assert.deepEqual([method, path], ['POST', '/api/v1/namespaces/team-a/events']);
    assert.deepEqual(body.metadata, { namespace: 'team-a', name: 'ran-once.u-1' });
    const { resourceVersion: _version, ...reference } = job;
    assert.deepEqual(body.involvedObject, { apiVersion: 'batch/v1', kind: 'Job', ...reference });
    assert.deepEqual([body.type, body.reason], ['Warning', 'RanOnce']);
  });

  test('resolves with false if the Event already exists', async () => {
    assert.equal(await answering(refused(409)).store.writeEvent(job, missed({})), false);
  });

  test('is as long as the API server takes, and says so where the log may be gone', () => {
    const long = { ...job, namespace: 'n'.repeat(63), name: 'j'.repeat(63) };
    const events = [kept, gone, late].map((end) => ranOnce(end, long));
    for (const { note } of [...events, missed({ job: long })]) assert.ok(note.length <= 1024);
    assert.match(ranOnce(gone).note, /may have run twice, and its log .* may no longer exist/);
    const { note } = ranOnce({ isLogKept: false, reason: 'DeadlineExceeded' });
    assert.match(note, /^This Job failed with DeadlineExceeded and is not retried\. .*delete it/);
    assert.doesNotMatch(note, /policy/, 'the policy has no part in that');
    assert.match(missed({ from: undefined }).note, /from the default to 0/);
  });
});
