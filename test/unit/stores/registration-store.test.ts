import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CallJson } from '../../../src/kube/requests.ts';
import { createRegistrationStore } from '../../../src/stores/registration-store.ts';
import { foreignEntry } from '../../support/builders/a-registration.ts';

/** Replaces a webhook entry on an API server that refuses every call with the given status. */
function replaceOn(code: number, body: object) {
  const callJson: CallJson = async () => {
    throw Object.assign(new Error('refused'), { code, body: JSON.stringify(body) });
  };
  const store = createRegistrationStore({ callJson }, 'webhook');
  return store.replaceEntry({ metadata: { resourceVersion: '7' } }, 0, foreignEntry());
}

describe('replaceEntry() of the registration store', () => {
  test('replaceEntry() throws KUBE_CONFLICT if the registration was deleted since it was read', async () => {
    const missing = { reason: 'NotFound', details: { name: 'webhook', kind: 'mutatingwebhookconfigurations' } };
    await assert.rejects(replaceOn(404, missing), { code: 'KUBE_CONFLICT', message: /cannot patch .*HTTP 404/ });
  });

  test('replaceEntry() throws KUBE_CONFLICT if the registration was changed since it was read', async () => {
    await assert.rejects(replaceOn(409, { reason: 'Conflict' }), { code: 'KUBE_CONFLICT' });
  });

  test('replaceEntry() throws KUBE_REJECTED for a 404 that does not name the registration', async () => {
    await assert.rejects(replaceOn(404, {}), { code: 'KUBE_REJECTED' });
  });
});
