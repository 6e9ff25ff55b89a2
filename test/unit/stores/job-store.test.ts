import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CapDecision } from '../../../src/backstop/decide.ts';
import { missedEvent, notRetriedEvent } from '../../../src/backstop/job-events.ts';
import type { JobList, JobStore } from '../../../src/backstop/job-store.ts';
import { AnswerTooLong, type JsonCalls } from '../../../src/kube/requests.ts';
import { createJobStore } from '../../../src/stores/job-store.ts';
import type { Json } from '../../support/builders/a-job.ts';

const job = { namespace: 'team-a', name: 'oss-bucket-apply', uid: 'u-1', resourceVersion: '7' };
const refused = (code: number, body: object = {}) =>
  Object.assign(new Error('refused'), { code, body: JSON.stringify(body) });
const notFound = refused(404, { reason: 'NotFound', details: { name: 'oss-bucket-apply', kind: 'jobs' } });

const aPodOf = (name: string, uid = job.uid) => ({ metadata: { name, ownerReferences: [{ kind: 'Job', uid }] } });

/** Returns a store whose API server gives every call the same response, and the recorded calls. */
function answering(answer: unknown, namespaces?: readonly string[]) {
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
  const store = createJobStore(json, namespaces);
  return { calls, store, list: allOf(store) };
}

/** Returns the list of the Jobs of all namespaces. */
function allOf({ lists: [list] }: JobStore): JobList {
  assert.ok(list);
  return list;
}

function firstOf(calls: readonly unknown[][]): Json {
  const [method, path, options] = calls[0] ?? [];
  return { method, path, ...(options as object) };
}

describe('a Job', () => {
  const cap = { job, to: 0, mark: undefined };

  test('the Job store patches backoffLimit with uid and resourceVersion as preconditions', async () => {
    const { store, calls } = answering({ spec: { backoffLimit: 0 } });
    assert.equal(await store.cap(cap), 'capped');
    assert.deepEqual(firstOf(calls), {
      method: 'PATCH',
      path: '/apis/batch/v1/namespaces/team-a/jobs/oss-bucket-apply',
      query: { fieldManager: 'terraform-daemon' },
      patch: 'merge',
      body: { metadata: { uid: 'u-1', resourceVersion: '7' }, spec: { backoffLimit: 0 } },
    });
  });

  test('cap() of the Job store adds the mark in the same patch', async () => {
    const { store, calls } = answering({ spec: { backoffLimit: 0 } });
    await store.cap({ ...cap, mark: '{"rule":"terraform"}' });
    const annotations = { 'terraform.job.kb.io/capped': '{"rule":"terraform"}' };
    const metadata = { uid: 'u-1', resourceVersion: '7', annotations };
    assert.deepEqual(firstOf(calls).body, { metadata, spec: { backoffLimit: 0 } });
  });

  test('cap() of the Job store resolves with lost if the Job was changed or deleted', async () => {
    for (const answer of [refused(409), notFound]) assert.equal(await answering(answer).store.cap(cap), 'lost');
  });

  test('cap() of the Job store resolves with undone if the response has a higher backoffLimit', async () => {
    assert.equal(await answering({ spec: { backoffLimit: 6 } }).store.cap(cap), 'undone');
    assert.equal(await answering({ spec: {} }).store.cap(cap), 'undone');
    assert.equal(
      await answering({ spec: { backoffLimit: 0 } }).store.cap({ ...cap, to: 3 }),
      'capped',
      'a lower limit counts as capped',
    );
  });

  test('the Job store reads a Job by a list with a field selector, which needs no RBAC verb beyond list', async () => {
    const stored = { metadata: job };
    const { store, calls } = answering({ items: [stored] });
    assert.deepEqual(await store.read(job), stored);
    const query = { fieldSelector: 'metadata.name=oss-bucket-apply' };
    assert.deepEqual(firstOf(calls), { method: 'GET', path: '/apis/batch/v1/namespaces/team-a/jobs', query });
  });

  for (const [which, selected] of [
    ['all', {}],
    ['unfinished', { fieldSelector: 'status.phase!=Failed,status.phase!=Succeeded' }],
  ] as const) {
    test(`the Job store lists the Pods of a Job (${which}), page by page, by the uid of the Job`, async () => {
      const pages = [
        { metadata: { continue: 'more' }, items: [aPodOf('a'), aPodOf('b', 'another-owner')] },
        { metadata: {}, items: [aPodOf('c'), { metadata: { name: 'd' } }, null] },
      ];
      const calls: unknown[][] = [];
      const callJson: JsonCalls['callJson'] = async (...call) => {
        calls.push(call);
        return pages.shift();
      };
      const seen: unknown[] = [];
      const store = createJobStore({ callJson, followJson: assert.fail });
      assert.equal(await store.pods(job, which, (pod) => seen.push(pod)), true);
      assert.deepEqual(seen, [aPodOf('a'), aPodOf('c')]);
      const query = { labelSelector: 'batch.kubernetes.io/controller-uid=u-1', ...selected, limit: '2' };
      assert.deepEqual(calls, [
        ['GET', '/api/v1/namespaces/team-a/pods', { query }],
        ['GET', '/api/v1/namespaces/team-a/pods', { query: { ...query, continue: 'more' } }],
      ]);
    });
  }

  for (const owner of [job.uid, 'another-owner']) {
    test(`the Job store reads at most 20 Pods with the label of a Job, whose owner is ${owner}, and reports that there are more`, async () => {
      const { store, calls } = answering({
        metadata: { continue: 'more' },
        items: [aPodOf('a', owner), aPodOf('b', owner)],
      });
      const seen: unknown[] = [];
      assert.equal(await store.pods(job, 'all', (pod) => seen.push(pod)), false);
      assert.deepEqual([calls.length, seen.length], [10, owner === job.uid ? 20 : 0]);
    });
  }

  test('the Job store reads no Pods of a Job with manualSelector, because they have no label of the Job controller', async () => {
    const { store, calls } = answering({ metadata: {}, items: [] });
    for (const which of ['all', 'unfinished'] as const) {
      assert.equal(await store.pods({ ...job, manualSelector: true }, which, () => assert.fail()), false);
    }
    assert.deepEqual(calls, []);
  });

  test('the Job store rejects the list of Pods with the missing RBAC right after a 403', async () => {
    const message = 'pods is forbidden: User "b" cannot list resource "pods" in API group "" in the namespace "team-a"';
    const { store } = answering(refused(403, { message }));
    await assert.rejects(
      store.pods(job, 'all', () => assert.fail()),
      {
        code: 'KUBE_FORBIDDEN',
        message: /^cannot list Pods of Job team-a\/oss-bucket-apply: .*rbac-backstop/,
      },
    );
  });

  test('the error after a 403 with --backstop-namespaces names the Role and its namespace, and not the ClusterRole', async () => {
    const { store } = answering(refused(403), ['team-a']);
    const error = {
      message: / \(the user needs the Role .* manifests\/backstop-namespace in namespace team-a, which must exist\)$/,
    };
    const signal = new AbortController().signal;
    for (const call of [
      allOf(store).page(undefined, () => {}),
      store.read(job),
      store.pods(job, 'all', () => {}),
      store.cap(cap),
    ]) {
      await assert.rejects(call, error);
    }
    const { list, calls } = answering({}, ['team-a']);
    await list.watch('7', () => {}, signal);
    assert.match((calls as Json[][])[0]?.[0].forbiddenStep, /in namespace team-a/);
  });

  test('the Job store reads a deleted Job as undefined, even if another Job has its name', async () => {
    for (const items of [[], [{ metadata: { ...job, uid: 'u-2' } }]]) {
      assert.equal(await answering({ items }).store.read(job), undefined);
    }
    await assert.rejects(answering(refused(503)).store.read(job), { code: 'KUBE_UNAVAILABLE' });
  });

  test('cap() of the Job store rejects with the reason of the API server, and after a 403 with the missing RBAC right', async () => {
    const problemOf = async (message?: string) => {
      const { store } = answering(refused(403, message === undefined ? {} : { message }));
      return store.cap(cap).then(
        () => assert.fail(),
        ({ code, message }) => `${code} ${message}`,
      );
    };
    const named = /^KUBE_FORBIDDEN cannot patch Job team-a\/.*rbac-backstop/;
    assert.match(await problemOf('jobs.batch "a" is forbidden: User "b" cannot patch resource "jobs"'), named);
    assert.match(await problemOf(), named);
    const denied = 'jobs.batch "a" is forbidden: ValidatingAdmissionPolicy "b" with binding "b" denied request: no';
    assert.equal(await problemOf(denied), `KUBE_REJECTED cannot patch Job team-a/oss-bucket-apply: ${denied}`);
  });
});

describe('reading a page of Jobs from the API server', () => {
  const unsuccessful = { fieldSelector: 'status.successful=0' };

  test('the Job store requests the next page of Jobs with the continue token', async () => {
    const { list, calls } = answering({ metadata: { resourceVersion: '7', continue: 'more' } });
    assert.deepEqual(await list.page('from', () => {}), { resourceVersion: '7', next: 'more' });
    const { path, query } = firstOf(calls);
    assert.deepEqual([path, query], ['/apis/batch/v1/jobs', { ...unsuccessful, limit: '100', continue: 'from' }]);
  });

  test('the Job store returns no next page if the continue token is empty or missing', async () => {
    const { list, calls } = answering({ metadata: { resourceVersion: '7', continue: '' } });
    assert.deepEqual(await list.page(undefined, () => {}), { resourceVersion: '7', next: undefined });
    assert.deepEqual(firstOf(calls).query, { ...unsuccessful, limit: '100' });
  });

  test('page() of the Job store resolves with expired after a 410, and rejects after any other error', async () => {
    const { list } = answering(refused(410));
    assert.equal(await list.page('from', () => {}), 'expired');
    const away = answering(refused(503)).list;
    await assert.rejects(
      away.page(undefined, () => {}),
      { code: 'KUBE_UNAVAILABLE' },
    );
  });

  test('page() of the Job store calls the handler for each Job', async () => {
    const seen: unknown[] = [];
    const { list } = answering({ metadata: { resourceVersion: '7' }, items: [{ a: 1 }, 2] });
    await list.page(undefined, (job) => seen.push(job));
    assert.deepEqual(seen, [{ a: 1 }, 2]);
  });

  const answerPage = { metadata: { resourceVersion: '7', continue: 'more' }, items: [] };
  const expectedPage = { resourceVersion: '7', next: 'more' };
  const timeout = new DOMException('timeout', 'TimeoutError');

  for (const [what, error] of [
    ['the response is too long', new AnswerTooLong()],
    ['the response does not arrive in time', timeout],
  ] as const) {
    test(`page() of the Job store reads a page again with a limit of five Jobs if ${what}`, async () => {
      const limits: unknown[] = [];
      const callJson: JsonCalls['callJson'] = async (_method, _path, { query, mostBytes } = {}) => {
        limits.push([query?.limit, mostBytes]);
        if (mostBytes !== undefined) throw error;
        return answerPage;
      };
      const list = allOf(createJobStore({ callJson, followJson: assert.fail }));
      assert.deepEqual(await list.page(undefined, () => {}), expectedPage);
      assert.deepEqual(limits, [
        ['100', 8 * 1024 * 1024],
        ['5', undefined],
      ]);
    });
  }

  test('page() of the Job store reads Jobs without a field selector if the API server takes too long to select them', async () => {
    const selectors: unknown[] = [];
    const callJson: JsonCalls['callJson'] = async (_method, _path, { query } = {}) => {
      selectors.push(query?.fieldSelector);
      if (query?.fieldSelector !== undefined) throw timeout;
      return answerPage;
    };
    const list = allOf(createJobStore({ callJson, followJson: assert.fail }));
    assert.deepEqual(await list.page(undefined, () => {}), expectedPage);
    assert.deepEqual(await list.page('more', () => {}), expectedPage);
    const { fieldSelector } = unsuccessful;
    assert.deepEqual(selectors, [fieldSelector, fieldSelector, undefined, undefined]);
  });

  test('page() of the Job store rejects if no request for the page is answered in time', async () => {
    const callJson: JsonCalls['callJson'] = () => Promise.reject(timeout);
    const list = allOf(createJobStore({ callJson, followJson: assert.fail }));
    await assert.rejects(
      list.page(undefined, () => {}),
      { code: 'KUBE_UNAVAILABLE' },
    );
  });

  test('the Job store watches Jobs from a resourceVersion', async () => {
    const { list, calls } = answering(undefined);
    assert.equal(await list.watch('7', () => {}, new AbortController().signal), 'ended');
    const [[{ path, query, what }]] = calls as [[Json]];
    assert.deepEqual(
      { path, query, what },
      { path: '/apis/batch/v1/jobs', query: { resourceVersion: '7' }, what: 'Jobs' },
    );
  });

  test('a Job store with namespaces has one list for each namespace, and an error names the namespace', async () => {
    const calls: unknown[] = [];
    const answer = async (path: string) => {
      calls.push(path);
      if (path.includes('team-b')) throw refused(403);
      return { metadata: { resourceVersion: '7' } };
    };
    const json: JsonCalls = {
      callJson: (_method, path) => answer(path),
      followJson: async ({ path, what }) => {
        calls.push([path, what]);
        return 'ended';
      },
    };
    const [a, b] = createJobStore(json, ['team-a', 'team-b']).lists;
    assert.ok(a && b);
    const [page, error] = await Promise.allSettled([a.page(undefined, () => {}), b.page(undefined, () => {})]);
    assert.deepEqual([a.namespace, b.namespace, page.status], ['team-a', 'team-b', 'fulfilled']);
    assert.match(String((error as PromiseRejectedResult).reason), /cannot list Jobs of namespace team-b/);
    await b.watch('7', () => {}, new AbortController().signal);
    const [jobsOfA, jobsOfB] = ['team-a', 'team-b'].map((name) => `/apis/batch/v1/namespaces/${name}/jobs`);
    assert.deepEqual(calls, [jobsOfA, jobsOfB, [jobsOfB, 'Jobs of namespace team-b']]);
  });

  test('the lists of several namespaces read one page at a time, so that they need no more memory than one list', async () => {
    const waiting: (() => void)[] = [];
    const callJson: JsonCalls['callJson'] = async () => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { metadata: { resourceVersion: '7' } };
    };
    const { lists } = createJobStore({ callJson, followJson: assert.fail }, ['team-a', 'team-b']);
    const pages = lists.map((list) => list.page(undefined, () => {}));
    for (let nth = 1; nth <= 2; nth += 1) {
      await new Promise(setImmediate);
      assert.equal(waiting.length, nth);
      waiting.at(-1)?.();
    }
    await Promise.all(pages);
  });
});

describe('an Event on a Job', () => {
  const cap: CapDecision = { action: 'cap', job, from: 6, to: 0, mark: undefined, reason: 'policy', needsPods: false };
  const missed = (fields: Partial<CapDecision>) => missedEvent({ ...cap, ...fields });
  const decision = { action: 'explain', job, hasFailed: true, isNews: true, configuration: undefined } as const;
  const notRetried = notRetriedEvent({ ...decision, caveats: [], reason: undefined }, { kind: 'unknown' });

  test('the Job store creates the NotRetried Event in the namespace of the Job, with the uid of the Job in its name', async () => {
    const { store, calls } = answering({});
    assert.equal(await store.writeEvent(job, notRetried), true);
    const { method, path, body } = firstOf(calls);
    assert.deepEqual([method, path], ['POST', '/api/v1/namespaces/team-a/events']);
    assert.deepEqual(body.metadata, { namespace: 'team-a', name: 'not-retried.u-1' });
    const { resourceVersion: _version, ...reference } = job;
    assert.deepEqual(body.involvedObject, { apiVersion: 'batch/v1', kind: 'Job', ...reference });
    assert.deepEqual([body.type, body.reason], ['Warning', 'NotRetried']);
  });

  test('writeEvent of the Job store resolves with false if the Event already exists', async () => {
    assert.equal(await answering(refused(409)).store.writeEvent(job, missed({})), false);
  });

  test('the note of a Missed Event says why the limit is not lower', () => {
    assert.match(missed({ from: undefined }).note, /from the default to 0/);
    assert.match(missed({ to: 2, reason: 'retried' }).note, /from 6 to 2\. .*current run can finish/);
    assert.match(
      missed({ to: 8, reason: 'shared-restarts' }).note,
      /when its containers have restarted 8 times in all/,
    );
  });
});
