import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toResponse } from '../../../src/webhook/response.ts';

const uid = 'u-1';
const aRequest = () => ({ uid, object: { spec: { template: { spec: {} } } } });

describe('the admission response', () => {
  test('a response that allows a Job unchanged has only uid and allowed', () => {
    assert.deepEqual(toResponse(aRequest(), { action: 'allow', reason: 'no-rule' }), { uid, allowed: true });
  });

  test('a response that refuses a Job has status 400 and the problem', () => {
    const response = toResponse(aRequest(), { action: 'refuse', problem: 'no Job' });
    assert.deepEqual(response, { uid, allowed: false, status: { code: 400, message: 'no Job' } });
  });

  test('a response that caps a Job has a base64 patch, a warning and audit annotations', () => {
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
