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

  const changes = [{ field: 'restartPolicy', from: undefined, to: '>>>???' }] as const;

  test('a response that caps a Job has a base64 patch, a warning for each caveat and audit annotations', () => {
    const decision = {
      action: 'cap',
      rule: 'terraform',
      changes,
      mark: undefined,
      effect: 'no-retry',
      caveats: ['a', 'b'],
    } as const;
    const { patch = '', ...rest } = toResponse(aRequest(), decision);
    assert.deepEqual(rest, {
      uid,
      allowed: true,
      patchType: 'JSONPatch',
      warnings: [
        'terraform-daemon: patched to allow no retry (restartPolicy unset -> >>>???)',
        'terraform-daemon: a',
        'terraform-daemon: b',
      ],
      auditAnnotations: { rule: 'terraform', changes: 'restartPolicy unset -> >>>???' },
    });
    assert.equal(patch, btoa('[{"op":"add","path":"/spec/template/spec/restartPolicy","value":">>>???"}]'));
    assert.match(patch, /[+/].*=$/, 'the standard alphabet, with padding: Go accepts no other');
  });

  test('a response that puts restartPolicy back has a patch and no warning', () => {
    const { patch, warnings } = toResponse(aRequest(), { action: 'keep', rule: 'terraform', changes, mark: undefined });
    assert.deepEqual([typeof patch, warnings], ['string', []]);
  });
});
