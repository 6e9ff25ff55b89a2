import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { JobPage } from '../../../src/backstop/job-store.ts';
import { watchJobs } from '../../../src/backstop/job-watch.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import { eventually, promptly } from '../../support/eventually.ts';

type Page = (JobPage & { readonly jobs: readonly string[] }) | 'expired' | OperatorError;

interface Call {
  readonly from: string;
  tell(type: string, object: unknown): void;
  end(result?: 'ended' | 'expired' | OperatorError): void;
}

const page = (jobs: readonly string[], next?: string): Page => ({ jobs, next, resourceVersion: '10' });
const version = (resourceVersion: string) => ({ metadata: { resourceVersion } });
const error = (code: 'KUBE_FORBIDDEN' | 'KUBE_UNAVAILABLE') => new OperatorError(code, 'refused');

/** Returns an API server that serves these pages in order, and whose watches the test controls. */
function start(t: TestContext, ...pages: readonly (Page | Promise<Page>)[]) {
  const steps: string[] = [];
  const watches: Call[] = [];
  const stop = new AbortController();
  t.after(() => stop.abort());
  let asked = 0;
  const source = {
    namespace: undefined,
    async page(next: string | undefined, saw: (job: unknown) => void) {
      steps.push(`page ${next}`);
      const answer = await (pages[asked++] ?? page([]));
      if (answer instanceof Error) throw answer;
      if (answer !== 'expired') answer.jobs.forEach(saw);
      return answer;
    },
    watch: (from: string, tell: Call['tell'], signal: AbortSignal) =>
      new Promise<'ended' | 'expired'>((resolve, reject) => {
        steps.push(`watch ${from}`);
        const end: Call['end'] = (result = 'ended') => (result instanceof Error ? reject(result) : resolve(result));
        signal.addEventListener('abort', () => end());
        watches.push({ from, tell, end });
      }),
  };
  const warnings: string[] = [];
  const log: Log = { error: assert.fail, warn: (message) => warnings.push(message), info() {}, debug: assert.fail };
  const saw = (job: unknown) => steps.push(`saw ${typeof job === 'string' ? job : JSON.stringify(job)}`);
  const gone = (job: unknown) => steps.push(`gone ${JSON.stringify(job)}`);
  const pageDone = async () => void steps.push('seen');
  const { ended, listNow, listSoon } = watchJobs(
    source,
    { onJob: saw, onDeleted: gone, pageDone },
    { log, signal: stop.signal },
  );
  const standing = (nth: number) =>
    eventually(() => {
      const watch = watches[nth];
      assert.ok(watch);
      return watch;
    });
  return { steps, warnings, standing, stop: () => stop.abort(), ended, listNow, listSoon };
}

describe('the watch of Jobs', { timeout: 300_000 }, () => {
  test('watchJobs lists Jobs page by page, waits until each page is processed, and watches from the listed resourceVersion', async (t) => {
    const { steps, standing } = start(t, page(['a', 'b'], 'next'), page(['c']));
    await standing(0);
    assert.deepEqual(steps, ['page undefined', 'saw a', 'saw b', 'seen', 'page next', 'saw c', 'seen', 'watch 10']);
  });

  test('watchJobs reports created, changed and deleted Jobs, but no bookmarks', async (t) => {
    const { steps, standing } = start(t);
    const { tell } = await standing(0);
    for (const type of ['ADDED', 'BOOKMARK', 'MODIFIED', 'DELETED']) tell(type, { ...version('11'), type });
    const told = steps.flatMap((step) =>
      /^(?:saw|gone) .*"type"/.test(step) ? [step.replace(/ .*"type":"(\w+)".*/, ' $1')] : [],
    );
    assert.deepEqual(told, ['saw ADDED', 'saw MODIFIED', 'gone DELETED']);
  });

  test('after a regular end, the watch of Jobs resumes from the last seen resourceVersion without a list or a log line', async (t) => {
    const { steps, warnings, standing } = start(t);
    const first = await standing(0);
    first.tell('MODIFIED', version('11'));
    first.tell('BOOKMARK', version('20'));
    first.end();
    const second = await standing(1);
    second.tell('DELETED', version('21'));
    second.end();
    await standing(2);
    assert.deepEqual(
      steps.filter((step) => /^(page|watch)/.test(step)),
      ['page undefined', 'watch 10', 'watch 20', 'watch 21'],
    );
    assert.deepEqual(warnings, []);
  });

  test('the watch of Jobs lists Jobs again if its resourceVersion is too old', async (t) => {
    const { steps, warnings, standing } = start(t);
    (await standing(0)).end('expired');
    await standing(1);
    assert.deepEqual(
      steps.filter((step) => /^(page|watch)/.test(step)),
      ['page undefined', 'watch 10', 'page undefined', 'watch 10'],
    );
    assert.deepEqual(warnings, []);
  });

  test('listNow ends the watch of Jobs and lists Jobs at once, without a warning', async (t) => {
    const { steps, warnings, standing, listNow } = start(t);
    await standing(0);
    listNow();
    await standing(1);
    assert.deepEqual(
      steps.filter((step) => /^(page|watch)/.test(step)),
      ['page undefined', 'watch 10', 'page undefined', 'watch 10'],
    );
    assert.deepEqual(warnings, []);
  });

  test('listSoon lists Jobs again after the watch of Jobs has ended', async (t) => {
    const { steps, standing, listSoon } = start(t);
    const first = await standing(0);
    listSoon();
    first.tell('BOOKMARK', version('20'));
    first.end();
    await standing(1);
    assert.deepEqual(
      steps.filter((step) => /^(page|watch)/.test(step)),
      ['page undefined', 'watch 10', 'page undefined', 'watch 10'],
    );
  });

  test('listNow during a list of Jobs starts another list after it', async (t) => {
    const { steps, standing, listNow } = start(t, page(['a'], 'next'), page(['b']));
    listNow();
    await standing(0);
    assert.deepEqual(
      steps.filter((step) => /^(page|watch)/.test(step)),
      ['page undefined', 'page next', 'page undefined', 'watch 10'],
    );
  });

  test('after an error, the watch of Jobs lists Jobs again, because etcd can have been restored meanwhile', async (t) => {
    const { steps, standing } = start(t);
    const first = await standing(0);
    first.tell('BOOKMARK', version('12'));
    first.end(error('KUBE_UNAVAILABLE'));
    assert.equal((await standing(1)).from, '10');
    assert.equal(steps.filter((step) => step.startsWith('page')).length, 2);
  });

  test('after the first and the sixth failed watch in a row, with growing pauses, Jobs are listed again', async (t) => {
    const { steps, warnings, standing } = start(t);
    const moments: number[] = [];
    for (let nth = 0; nth < 6; nth += 1) {
      (await standing(nth)).end(error('KUBE_UNAVAILABLE'));
      moments.push(performance.now());
    }
    await standing(6);
    const lists = steps.filter((step) => /^(page|watch)/.test(step)).map((step) => (step.startsWith('p') ? 'l' : 'w'));
    assert.equal(lists.join(''), 'lwlwwwwwlw');
    const [, , , , fifth = 0, sixth = 0] = moments;
    assert.ok(sixth - fifth >= 1_590, `${sixth - fifth} ms after the fifth`);
    assert.deepEqual(warnings, ['cannot watch jobs, will try again']);
  });

  test('the watch of Jobs warns about an error even if the previous watch ended early without an error', async (t) => {
    const { warnings, standing } = start(t);
    (await standing(0)).end();
    (await standing(1)).end(error('KUBE_UNAVAILABLE'));
    await standing(2);
    assert.deepEqual(warnings, ['cannot watch jobs, will try again']);
  });

  test('the watch of Jobs warns if watches keep ending early without an error', async (t) => {
    const { warnings, standing } = start(t);
    for (const nth of [0, 1, 2]) (await standing(nth)).end();
    await standing(3);
    assert.deepEqual(warnings, ['cannot watch jobs, will try again']);
  });

  test('the list of Jobs starts again if its continue token has expired', async (t) => {
    const { steps, standing } = start(t, page(['a'], 'next'), 'expired', page(['a']));
    await standing(0);
    assert.deepEqual(
      steps.filter((step) => step.startsWith('page')),
      ['page undefined', 'page next', 'page undefined'],
    );
  });

  test('a page of Jobs that fails twice is read again with its continue token, without a log line', async (t) => {
    const failed = error('KUBE_UNAVAILABLE');
    const { steps, warnings, standing } = start(t, page(['a'], 'next'), failed, failed, page(['b']));
    await standing(0);
    assert.deepEqual(steps, [
      ...['page undefined', 'saw a', 'seen'],
      ...['page next', 'page next', 'page next', 'saw b', 'seen'],
      'watch 10',
    ]);
    assert.deepEqual(warnings, []);
  });

  test('the list of Jobs starts again, with one warning, after a page has failed three times', async (t) => {
    const failed = error('KUBE_UNAVAILABLE');
    const { steps, warnings, standing } = start(t, page(['a'], 'next'), failed, failed, failed);
    await standing(0);
    assert.deepEqual(
      steps.filter((step) => step.startsWith('page')),
      ['page undefined', 'page next', 'page next', 'page next', 'page undefined'],
    );
    assert.deepEqual(warnings, ['cannot watch jobs, will try again']);
  });

  test('an abort ends a hanging list of Jobs, and Jobs of a late response are ignored', async (t) => {
    const late = Promise.withResolvers<Page>();
    const { steps, stop, ended } = start(t, late.promise);
    stop();
    await promptly(ended);
    late.resolve(page(['a']));
    await new Promise(setImmediate);
    assert.deepEqual(steps, ['page undefined']);
  });

  test('the watch of Jobs warns once about missing RBAC rights, and keeps retrying', async (t) => {
    const { warnings, steps, standing } = start(t, error('KUBE_FORBIDDEN'), error('KUBE_FORBIDDEN'), page([]));
    await standing(0);
    assert.deepEqual(warnings, ['cannot watch jobs, will try again']);
    assert.equal(steps.filter((step) => step.startsWith('page')).length, 3);
  });

  test('an abort of the signal ends the watch of Jobs', async (t) => {
    const { standing, stop, ended } = start(t);
    await standing(0);
    stop();
    await promptly(ended);
  });
});
