import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { JobReference } from '../../../src/backstop/decide.ts';
import type { JobPage } from '../../../src/backstop/job-store.ts';
import { listSuccessfulJobs } from '../../../src/backstop/successful-jobs.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import { eventually, promptly } from '../../support/eventually.ts';

type Page = { readonly next?: string; readonly incomplete?: readonly string[] } | 'expired' | OperatorError;

const jobNamed = (name: string): JobReference => ({
  namespace: 'team-a',
  name,
  uid: `u-${name}`,
  resourceVersion: '5',
});

/** Returns an API server that serves these pages in order, then empty pages. */
function start(t: TestContext, ...pages: readonly (Page | Promise<Page>)[]) {
  const steps: string[] = [];
  const stop = new AbortController();
  t.after(() => stop.abort());
  let asked = 0;
  const source = {
    namespace: undefined,
    async successfulPage(next: string | undefined, saw: (job: JobReference) => void): Promise<JobPage | 'expired'> {
      steps.push(`page ${next}`);
      const answer = await (pages[asked++] ?? {});
      if (answer instanceof Error) throw answer;
      if (answer === 'expired') return answer;
      for (const name of answer.incomplete ?? []) saw(jobNamed(name));
      return { resourceVersion: '10', next: answer.next };
    },
  };
  const warnings: string[] = [];
  const info = (message: string) => void steps.push(message);
  const log: Log = { error: assert.fail, warn: (message) => warnings.push(message), info, debug: assert.fail };
  const onIncomplete = ({ name }: JobReference) => void steps.push(`saw ${name}`);
  const pageDone = async () => void steps.push('seen');
  const { ended, listNow } = listSuccessfulJobs(source, { onIncomplete, pageDone }, { log, signal: stop.signal });
  const listed = (times: number) =>
    eventually(() => assert.equal(steps.filter((step) => step === 'successful jobs listed').length, times));
  return { steps, warnings, listed, listNow, ended, stop: () => stop.abort() };
}

describe('the list of the Jobs of which a Pod has succeeded', { timeout: 30_000 }, () => {
  test('listSuccessfulJobs begins after listNow, and reads page by page', async (t) => {
    const { steps, warnings, listed, listNow } = start(t, { next: 'more', incomplete: ['a'] }, { incomplete: ['b'] });
    await new Promise(setImmediate);
    assert.deepEqual(steps, []);
    listNow();
    await listed(1);
    const first = ['page undefined', 'saw a', 'seen'];
    assert.deepEqual(steps, [...first, 'page more', 'saw b', 'seen', 'successful jobs listed']);
    assert.deepEqual(warnings, []);
  });

  test('listSuccessfulJobs lists again after each listNow, also after one during a list', async (t) => {
    const slow = Promise.withResolvers<Page>();
    const { steps, listed, listNow } = start(t, slow.promise);
    listNow();
    await eventually(() => assert.deepEqual(steps, ['page undefined']));
    listNow();
    slow.resolve({});
    await listed(2);
    listNow();
    await listed(3);
  });

  test('listSuccessfulJobs begins again if the continue token has expired', async (t) => {
    const { steps, listed, listNow } = start(t, { next: 'more' }, 'expired');
    listNow();
    await listed(1);
    assert.deepEqual(
      steps.filter((step) => step.startsWith('page')),
      ['page undefined', 'page more', 'page undefined'],
    );
  });

  test('listSuccessfulJobs warns once about a missing right, and tries again', async (t) => {
    const refused = new OperatorError('KUBE_FORBIDDEN', 'refused');
    const { warnings, listed, listNow } = start(t, refused, refused, {});
    listNow();
    await listed(1);
    assert.deepEqual(warnings, ['cannot list successful jobs, will try again']);
  });

  test('an abort ends a hanging list of successful Jobs, and Jobs of a late page are ignored', async (t) => {
    const late = Promise.withResolvers<Page>();
    const { steps, listNow, stop, ended } = start(t, late.promise);
    listNow();
    await eventually(() => assert.deepEqual(steps, ['page undefined']));
    stop();
    await promptly(ended);
    late.resolve({ incomplete: ['a'] });
    await new Promise(setImmediate);
    assert.deepEqual(steps, ['page undefined']);
  });

  test('an abort before listNow ends the list of successful Jobs', async (t) => {
    const { stop, ended, steps } = start(t);
    stop();
    await promptly(ended);
    assert.deepEqual(steps, []);
  });
});
