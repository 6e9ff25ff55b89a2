import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { SecretStore } from '../../src/certs/ensure.ts';
import type { SecretContent } from '../../src/certs/secret.ts';
import { toBase64 } from '../../src/encodings.ts';

/**
 * Answers, for a Secret that does not exist yet, the store through which the replica of that name sees it. Two replicas
 * are needed: who comes second is told so, but a replica that repeats itself need not be.
 */
export type MakeReplica = (t: TestContext) => Promise<(replica: string) => SecretStore>;

/** A Secret of type kubernetes.io/tls needs both keys. */
const content = (certificate: string): SecretContent => ({
  labels: { 'app.kubernetes.io/managed-by': 'terraform-daemon' },
  annotations: { 'terraform.job.kb.io/names': certificate },
  data: { 'tls.crt': toBase64(certificate), 'tls.key': toBase64(`the key of ${certificate}`) },
});

const replicaNames = ['a', 'b', 'c', 'd', 'e'];

/** What every SecretStore does, the fake one as well as the one on an API server. */
export function secretStoreContract(name: string, makeReplica: MakeReplica): void {
  describe(`the Secret store of ${name}`, () => {
    test('names the Secret as namespace/name', async (t) => {
      const replica = await makeReplica(t);
      assert.match(replica('a').reference, /^[a-z0-9-]+\/[a-z0-9.-]+$/);
    });

    test('reads nothing where there is no Secret', async (t) => {
      const replica = await makeReplica(t);
      assert.equal(await replica('a').read(), undefined);
    });

    test('reads what was created, also as another replica', async (t) => {
      const replica = await makeReplica(t);
      assert.equal(await replica('a').create(content('first')), true);
      const { resourceVersion, ...read } = await existing(replica('b'));
      assert.deepEqual(read, content('first'));
      assert.match(resourceVersion, /./);
    });

    test('tells a replica that comes second to create, and keeps what the first one wrote', async (t) => {
      const replica = await makeReplica(t);
      await replica('a').create(content('first'));
      const before = await existing(replica('a'));
      assert.equal(await replica('b').create(content('second')), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('lets exactly one of several replicas create', async (t) => {
      const replica = await makeReplica(t);
      const outcomes = await Promise.all(replicaNames.map((one) => replica(one).create(content(one))));
      assert.deepEqual(outcomes.filter((isCreated) => isCreated).length, 1);
      const winner = replicaNames[outcomes.indexOf(true)] ?? '';
      assert.deepEqual((await existing(replica('a'))).data, content(winner).data);
    });

    test('updates what was read, under another resourceVersion', async (t) => {
      const replica = await makeReplica(t);
      await replica('a').create(content('first'));
      const before = await existing(replica('b'));
      assert.equal(await replica('b').update(content('second'), before.resourceVersion), true);
      const { resourceVersion, ...after } = await existing(replica('a'));
      assert.deepEqual(after, content('second'));
      assert.notEqual(resourceVersion, before.resourceVersion);
    });

    test('keeps the labels, annotations and data that an update does not name', async (t) => {
      const replica = await makeReplica(t);
      const others = {
        labels: { team: 'platform' },
        annotations: { 'example.com/note': 'keep me' },
        data: { note: toBase64('x') },
      };
      const { labels, annotations, data } = content('first');
      await replica('a').create({
        labels: { ...labels, ...others.labels },
        annotations: { ...annotations, ...others.annotations },
        data: { ...data, ...others.data },
      });
      await replica('a').update(content('second'), (await existing(replica('a'))).resourceVersion);
      const after = await existing(replica('a'));
      const wanted = content('second');
      assert.deepEqual(after.labels, { ...wanted.labels, ...others.labels });
      assert.deepEqual(after.annotations, { ...wanted.annotations, ...others.annotations });
      assert.deepEqual(after.data, { ...wanted.data, ...others.data });
    });

    test('refuses an update of a state that is no longer there, and changes nothing', async (t) => {
      const replica = await makeReplica(t);
      await replica('a').create(content('first'));
      const stale = await existing(replica('a'));
      await replica('b').update(content('second'), stale.resourceVersion);
      const before = await existing(replica('a'));
      assert.equal(await replica('a').update(content('third'), stale.resourceVersion), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('refuses an update where there is no Secret, and creates none', async (t) => {
      const replica = await makeReplica(t);
      assert.equal(await replica('a').update(content('first'), '1'), false);
      assert.equal(await replica('a').read(), undefined);
    });

    test('lets exactly one of several replicas update the same state', async (t) => {
      const replica = await makeReplica(t);
      await replica('a').create(content('first'));
      const { resourceVersion } = await existing(replica('a'));
      const outcomes = await Promise.all(replicaNames.map((one) => replica(one).update(content(one), resourceVersion)));
      assert.equal(outcomes.filter((isUpdated) => isUpdated).length, 1);
      const winner = replicaNames[outcomes.indexOf(true)] ?? '';
      assert.deepEqual((await existing(replica('a'))).data, content(winner).data);
    });
  });
}

async function existing(store: SecretStore) {
  const secret = await store.read();
  assert.ok(secret, 'there is no Secret');
  return secret;
}
