import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CallJson } from '../../../src/kube/requests.ts';
import { createLeaseStore } from '../../../src/stores/lease-store.ts';

const refused = (code: number, body: object = {}) =>
  Object.assign(new Error('refused'), { code, body: JSON.stringify(body) });
const notFound = refused(404, { reason: 'NotFound', details: { name: 'backstop', kind: 'leases' } });

/** Returns a store whose API server gives every call the same response, and the recorded calls. */
function answering(answer: unknown) {
  const calls: Parameters<CallJson>[2][] = [];
  const callJson: CallJson = async (_method, _path, options) => {
    calls.push(options);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return {
    calls,
    lease: createLeaseStore({ callJson }, { namespace: 'vela-system', name: 'backstop', validMs: 12_000 }),
  };
}

describe('the Lease', () => {
  const now = new Date('2030-01-01T12:00:00.123Z');

  test('the Lease store reads holder and renewTime; a released Lease has no holder', async () => {
    const metadata = { resourceVersion: '7' };
    const spec = { holderIdentity: 'pod/1', renewTime: '2030-01-01T12:00:00.123000Z' };
    const held = { holder: 'pod/1', renewedAt: now, resourceVersion: '7' };
    assert.deepEqual(await answering({ metadata, spec }).lease.read(), held);
    const free = { holder: undefined, renewedAt: undefined, resourceVersion: '7' };
    assert.deepEqual(await answering({ metadata, spec: {} }).lease.read(), free);
    assert.equal(await answering(notFound).lease.read(), undefined);
  });

  test('the Lease store creates the Lease by an apply without force, and updates it with the resourceVersion that was read', async () => {
    const first = answering({});
    assert.equal(await first.lease.create('pod/1', now), true);
    assert.deepEqual(first.calls[0]?.query, { fieldManager: 'terraform-daemon/pod/1', force: 'false' });
    const second = answering({});
    await second.lease.write(undefined, '7', now);
    assert.deepEqual(second.calls[0]?.body, {
      metadata: { resourceVersion: '7' },
      spec: { holderIdentity: null, leaseDurationSeconds: 12, renewTime: '2030-01-01T12:00:00.123000Z' },
    });
    assert.equal(await answering(refused(409)).lease.write('pod/1', '7', now), false);
  });
});
