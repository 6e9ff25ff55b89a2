import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatch, patchOf } from '../../../src/webhook/patch.ts';

const changes = [
  { field: 'backoffLimit', from: 6, to: 0 },
  { field: 'restartPolicy', from: undefined, to: 'Never' },
] as const;

test('the JSON Patch has an add operation for each change, also for a field that has a value', () => {
  assert.deepEqual(patchOf({ changes, mark: undefined }, {}), [
    { op: 'add', path: '/spec/backoffLimit', value: 0 },
    { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' },
  ]);
});

test('the JSON Patch adds the mark, and all annotations if the Job has none', () => {
  const marking = (object: unknown) => patchOf({ changes: [], mark: '{}' }, object);
  const mark = { op: 'add', path: '/metadata/annotations/terraform.job.kb.io~1capped', value: '{}' };
  assert.deepEqual(marking({ metadata: { annotations: {} } }), [mark]);
  const all = { op: 'add', path: '/metadata/annotations', value: { 'terraform.job.kb.io/capped': '{}' } };
  for (const annotations of [undefined, null, 'x', []]) assert.deepEqual(marking({ metadata: { annotations } }), [all]);
});

test('the JSON Patch has no mark for an object without metadata, which the API server refuses', () => {
  for (const object of [{}, { metadata: null }, { metadata: 'x' }, null])
    assert.deepEqual(patchOf({ changes: [], mark: '{}' }, object), []);
});

test('applyPatch changes the Job in place as the API server does', () => {
  const job = { spec: { backoffLimit: 6, template: { spec: {} } } };
  applyPatch(job, [
    { op: 'add', path: '/spec/backoffLimit', value: 0 },
    { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' },
  ]);
  assert.deepEqual(job, { spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never' } } } });
});

test('applyPatch throws if the Job lacks the parent of a path', () => {
  const patch = [{ op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' }] as const;
  assert.throws(() => applyPatch({ spec: {} }, patch), {
    message: 'the patch does not apply to the Job: OPERATION_PATH_CANNOT_ADD',
  });
});
