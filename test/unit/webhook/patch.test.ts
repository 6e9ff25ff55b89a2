import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatch, patchOf } from '../../../src/webhook/patch.ts';

test('the patch adds each change at its place, also over a value that is there', () => {
  assert.deepEqual(
    patchOf([
      { field: 'backoffLimit', from: 6, to: 0 },
      { field: 'restartPolicy', from: undefined, to: 'Never' },
    ]),
    [
      { op: 'add', path: '/spec/backoffLimit', value: 0 },
      { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' },
    ],
  );
});

test('a patch that the Job has a place for changes the Job as the API server does', () => {
  const job = { spec: { backoffLimit: 6, template: { spec: {} } } };
  applyPatch(job, [
    { op: 'add', path: '/spec/backoffLimit', value: 0 },
    { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' },
  ]);
  assert.deepEqual(job, { spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never' } } } });
});

test('a patch that the Job has no place for fails before it is sent', () => {
  const patch = [{ op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' }] as const;
  assert.throws(() => applyPatch({ spec: {} }, patch), {
    message: 'the patch does not apply to the Job: OPERATION_PATH_CANNOT_ADD',
  });
});
