import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patchOf } from '../../../src/webhook/patch.ts';

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
