import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isWaiting } from '../../../src/terraform/waiting.ts';

describe('a Configuration that waits for a failed Job', () => {
  it('a Configuration waits for its apply in each state except Available, and without a status', () => {
    for (const state of ['ProvisioningAndChecking', 'ConfigurationReloading', undefined]) {
      assert.equal(isWaiting({ metadata: {}, status: { apply: { state } } }, 'apply'), true, state);
    }
    assert.equal(isWaiting({ metadata: {} }, 'apply'), true);
    assert.equal(isWaiting({ metadata: {}, status: { apply: { state: 'Available' } } }, 'apply'), false);
  });

  it('a Configuration that is being deleted does not wait for its apply in any state', () => {
    for (const state of ['ProvisioningAndChecking', 'Available', undefined]) {
      const metadata = { deletionTimestamp: '2030-01-01T00:00:00Z' };
      assert.equal(isWaiting({ metadata, status: { apply: { state } } }, 'apply'), false, state);
    }
  });

  it('a Configuration waits for its destroy only while it is being deleted', () => {
    assert.equal(isWaiting({ metadata: { deletionTimestamp: '2030-01-01T00:00:00Z' } }, 'destroy'), true);
    assert.equal(isWaiting({ metadata: {}, status: { destroy: { state: 'Destroying' } } }, 'destroy'), false);
  });
});
