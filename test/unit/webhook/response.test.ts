import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toResponse } from '../../../src/webhook/response.ts';

const uid = 'u-1';
const aRequest = () => ({ uid, object: { spec: { template: { spec: {} } } } });

describe('a response', () => {
  test('that allows a Job has no other field', () => {
    assert.deepEqual(toResponse(aRequest(), { action: 'allow', reason: 'no-rule' }), { uid, allowed: true });
  });

  test('that refuses a Job has the problem as a fault of the request', () => {
    const response = toResponse(aRequest(), { action: 'refuse', problem: 'no Job' });
    assert.deepEqual(response, { uid, allowed: false, status: { code: 400, message: 'no Job' } });
  });

  test('that patches a Job has the operations in base64, a warning and audit annotations', () => {
    const { patch = '', ...rest } = toResponse(aRequest(), {
      action: 'cap',
      rule: 'terraform',
      changes: [{ field: 'restartPolicy', from: 'hö\nher', to: '>>>???' }],
      result: { backoffLimit: 0, restartPolicy: '>>>???' },
    });
    assert.deepEqual(rest, {
      uid,
      allowed: true,
      patchType: 'JSONPatch',
      warnings: ['terraform-daemon: this Job is not retried, but may run twice (restartPolicy h??her -> >>>???)'],
      auditAnnotations: { rule: 'terraform', changes: 'restartPolicy h??her -> >>>???' },
    });
    assert.equal(patch, btoa('[{"op":"add","path":"/spec/template/spec/restartPolicy","value":">>>???"}]'));
    assert.match(patch, /[+/].*=$/, 'the standard alphabet, with padding: Go accepts no other');
  });
});
