import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromSecret } from '../../../src/certs/secret.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../../support/builders/a-certificate-set.ts';
import { ensureCertificates } from '../../support/fakes/ensure-certificates.ts';
import { createFakeSecretStore, type FakeSecretStore } from '../../support/fakes/fake-secret-store.ts';

const REPLICAS = 20;
// Small keys, because the tests generate many of them.
const options = certificateOptions({ keySize: 1024 });
const set = await aCertificateSet({ options: { keySize: 1024 } });
const other = await aCertificateSet({ options: { keySize: 1024 }, nth: 2 });
const due = new Date(ISSUED_AT.getTime() + 60 * 24 * 3_600_000);

const ensure = (store: FakeSecretStore, { now = ISSUED_AT, restartedAt = undefined as Date | undefined } = {}) =>
  ensureCertificates(store, options, { now, restartedAt, liveBundle: undefined });
const content = (store: FakeSecretStore) => {
  const secret = store.current();
  assert.ok(secret, 'there is no Secret');
  return fromSecret(secret);
};
const together = (call: () => ReturnType<typeof ensure>) => Promise.all(Array.from({ length: REPLICAS }, call));

describe(`${REPLICAS} replicas that write one Secret at once`, () => {
  test('replicas that start at once on an empty namespace all use one stored CA', async () => {
    const store = createFakeSecretStore();
    const all = await together(() => ensure(store));
    assert.equal(store.writes(), 1);
    for (const { set } of all) assert.deepEqual(set, content(store));
    assert.equal(all.filter(({ decision }) => decision.action === 'replace').length, 1);
  });

  test('replicas that renew at once all use one serving certificate', async () => {
    const store = createFakeSecretStore(stored(set));
    const all = await together(() => ensure(store, { now: due }));
    assert.equal(store.writes(), 1);
    for (const { set } of all) assert.deepEqual(set, content(store));
    assert.equal(content(store).ca.certificate, set.ca.certificate);
  });

  test('replicas that restart in the same second all use one serving certificate', async () => {
    const store = createFakeSecretStore(stored(set));
    const restartedAt = new Date(ISSUED_AT.getTime() + 5_250);
    const now = new Date(ISSUED_AT.getTime() + 5_750);
    const all = await together(() => ensure(store, { now, restartedAt }));
    assert.equal(store.writes(), 1);
    for (const { set } of all) assert.deepEqual(set, content(store));
  });
});

describe('a lost race for the Secret', () => {
  test('a replica that loses the create of the Secret uses the set of the winner', async () => {
    const store = createFakeSecretStore();
    store.beforeNextWrite(() => store.put(stored(other)));
    const ensured = await ensure(store);
    assert.deepEqual([ensured.set, ensured.decision.action, store.writes()], [other, 'keep', 0]);
  });

  test('a replica that loses the renewal uses the set of the winner', async () => {
    const store = createFakeSecretStore(stored(set));
    const renewed = await aCertificateSet({ options: { keySize: 1024 }, issuedAt: due });
    store.beforeNextWrite(() => store.put(stored(renewed)));
    const ensured = await ensure(store, { now: due });
    assert.deepEqual([ensured.set, ensured.decision.action, store.writes()], [renewed, 'keep', 0]);
  });

  test('a replica whose write loses to a deletion of the Secret creates a new set', async () => {
    const store = createFakeSecretStore(stored(set));
    store.beforeNextWrite(() => store.put(undefined));
    const ensured = await ensure(store, { now: due });
    assert.deepEqual(ensured.decision, { action: 'replace', reason: 'absent' });
    assert.deepEqual(ensured.set, content(store));
  });

  test('a replica that loses the create to a Secret of another owner rejects with an error', async () => {
    const store = createFakeSecretStore();
    store.beforeNextWrite(() => store.put(stored(set, { labels: {}, annotations: {}, data: {} })));
    await assert.rejects(ensure(store), { code: 'SECRET_NOT_OURS' });
    assert.equal(store.writes(), 0);
  });

  test('a replica that repeatedly loses the write of the Secret retries until it succeeds', async () => {
    const store = createFakeSecretStore(stored(set));
    let interruptions = 3;
    const touch = () => {
      interruptions -= 1;
      store.put(stored(set));
      if (interruptions > 0) store.beforeNextWrite(touch);
    };
    store.beforeNextWrite(touch);
    const ensured = await ensure(store, { now: due });
    assert.deepEqual([ensured.decision.action, store.writes(), interruptions], ['renew', 1, 0]);
    assert.deepEqual(ensured.set, content(store));
  });
});
