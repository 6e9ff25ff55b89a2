import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CallJson } from '../../../src/kube/requests.ts';
import { createEventPublisher } from '../../../src/stores/event-store.ts';

const NOT_FOUND = { reason: 'NotFound', details: { name: 'cert.renew.due', kind: 'events' } };
const at = new Date('2030-01-01T12:00:00Z');
const notice = { type: 'Normal', action: 'renew', reason: 'due', note: 'A serving certificate was issued.' } as const;

/**
 * Publishes an Event. Returns path, query and body of its write. `before` is the Event that the API server has stored
 * already; by default there is none.
 */
async function written(before?: object, reason: 'due' | 'KUBE_FORBIDDEN' = 'due') {
  const calls: { readonly path: string; readonly body: unknown; readonly query: unknown }[] = [];
  const callJson: CallJson = async (method, path, { body, query } = {}) => {
    if (method !== 'GET') calls.push({ path, body, query });
    else if (before) return before;
    else throw Object.assign(new Error('refused'), { code: 404, body: JSON.stringify(NOT_FOUND) });
    return {};
  };
  const publish = createEventPublisher(callJson, { namespace: 'ops', name: 'cert' });
  await publish({ ...notice, reason }, { at, count: 2 });
  return calls[0];
}

describe('an Event about the Secret', () => {
  test('the name of an Event about the Secret consists of the Secret name, the action and the reason', async () => {
    assert.deepEqual(await written(), {
      path: '/api/v1/namespaces/ops/events/cert.renew.due',
      query: { fieldManager: 'terraform-daemon', force: 'true' },
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { namespace: 'ops', name: 'cert.renew.due' },
        involvedObject: { apiVersion: 'v1', kind: 'Secret', namespace: 'ops', name: 'cert' },
        type: 'Normal',
        action: 'renew',
        reason: 'RenewalDue',
        message: 'A serving certificate was issued.',
        firstTimestamp: at,
        lastTimestamp: at,
        count: 2,
        source: { component: 'terraform-daemon' },
      },
    });
    const { path } = (await written(undefined, 'KUBE_FORBIDDEN')) ?? {};
    assert.equal(path, '/api/v1/namespaces/ops/events/cert.renew.kube-forbidden');
  });

  test('a repeated Event keeps its firstTimestamp and increases its count', async () => {
    const first = '2029-12-31T00:00:00Z';
    const { body } = (await written({ firstTimestamp: first, count: 5 })) ?? {};
    const { firstTimestamp, lastTimestamp, count } = body as Record<string, unknown>;
    assert.deepEqual([firstTimestamp, lastTimestamp, count], [first, at, 7]);
  });
});
