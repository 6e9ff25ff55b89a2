import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobReference } from '../../../src/backstop/decide.ts';
import { scanJobs } from '../../../src/stores/job-scan.ts';
import { aProtobufList } from '../../support/builders/a-protobuf-list.ts';

function scan(answer: Buffer) {
  const incomplete: JobReference[] = [];
  return { page: scanJobs(answer, (job) => incomplete.push(job)), incomplete };
}

describe('the scan of a list of Jobs in protobuf', () => {
  test('scanJobs reports the Jobs without the condition Complete, with their references', () => {
    const { incomplete } = scan(
      aProtobufList([
        { name: 'complete', conditions: { SuccessCriteriaMet: 'True', Complete: 'True' } },
        { name: 'running' },
        { name: 'not-yet', conditions: { Complete: 'False' } },
        { name: 'failed', conditions: { Failed: 'True' } },
      ]),
    );
    assert.deepEqual(
      incomplete.map(({ name }) => name),
      ['running', 'not-yet', 'failed'],
    );
    assert.deepEqual(incomplete[0], { namespace: 'team-a', name: 'running', uid: 'u-running', resourceVersion: '5' });
  });

  test('scanJobs returns the resourceVersion and the continue token of the list', () => {
    assert.deepEqual(scan(aProtobufList([], 'more')).page, { resourceVersion: '7', next: 'more' });
    assert.deepEqual(scan(aProtobufList([])).page, { resourceVersion: '7', next: undefined });
  });

  test('scanJobs throws a RangeError if a proxy has answered with JSON', () => {
    assert.throws(() => scan(Buffer.from('{"kind":"JobList"}')), RangeError);
  });
});
