import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { patchBetween } from '../../../src/webhook/patch.ts';
import type { JsonObject, Operation } from '../../../src/webhook/review.ts';

suite('the patch between two Jobs', () => {
  const add = (path: string, value: unknown): Operation => ({ op: 'add', path, value });
  const rows: [name: string, job: JsonObject, wanted: JsonObject, operations: Operation[]][] = [
    ['adds what was not there', { spec: {} }, { spec: { limit: 0 } }, [add('/spec/limit', 0)]],
    [
      'adds what was there too, in place of a replace',
      { spec: { limit: 6 } },
      { spec: { limit: 0 } },
      [add('/spec/limit', 0)],
    ],
    ['adds in place of null', { spec: { limit: null } }, { spec: { limit: 0 } }, [add('/spec/limit', 0)]],
    ['is empty between equals', { spec: { limit: 0, list: [{ a: 1 }] } }, { spec: { limit: 0, list: [{ a: 1 }] } }, []],
    ['escapes the names of fields', { 'a/b~c': {} }, { 'a/b~c': { x: 1 } }, [add('/a~1b~0c/x', 1)]],
    [
      'has an operation for each change',
      { limit: 6, template: { policy: 'OnFailure' } },
      { limit: 0, template: { policy: 'Never' } },
      [add('/template/policy', 'Never'), add('/limit', 0)],
    ],
  ];
  for (const [name, job, wanted, operations] of rows) {
    test(name, () => assert.deepEqual(patchBetween(job, wanted), operations));
  }

  test('never removes: that would be a bug, and fail the request of a user', () => {
    assert.throws(() => patchBetween({ spec: { limit: 6 } }, { spec: {} }), /unexpected remove in a patch/);
  });
});
