import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { SecretContent } from '../../../src/certs/secret.ts';
import type { SecretStore } from '../../../src/certs/secret-step.ts';
import { toBase64 } from '../../../src/lib/pem.ts';

/** A change of the Secret by another client. */
export interface Edit {
  readonly annotations?: Record<string, string>;
  readonly isImmutable?: boolean;
  readonly finalizers?: readonly string[];
}

/** A Secret that does not exist yet. */
export interface SecretUnderTest {
  /**
   * Returns the SecretStore of the replica with this name. A replica that repeats its own create need not get a
   * conflict, so a test of this conflict uses a second replica.
   */
  replica(name: string): SecretStore;
  /** Changes the Secret as another client with this field manager. */
  editAs(manager: string, edit: Edit): Promise<void>;
  /** Creates the Secret as another client, with this type and without labels. */
  createAs(type: string, data: Record<string, string>): Promise<void>;
}

/** Both keys are set, because a Secret of type kubernetes.io/tls requires them. */
const content = (certificate: string): SecretContent => ({
  labels: { 'app.kubernetes.io/managed-by': 'terraform-daemon' },
  annotations: { 'terraform.job.kb.io/names': certificate },
  data: { 'tls.crt': toBase64(certificate), 'tls.key': toBase64(`the key of ${certificate}`) },
});

const PHASE_SINCE = 'terraform.job.kb.io/phase-since';

/**
 * Returns the content with null for the annotation `phase-since` and for `next-ca.crt`. null asks the store to remove
 * them.
 */
const withNull = ({ labels, annotations, data }: SecretContent): SecretContent => ({
  labels,
  annotations: { ...annotations, [PHASE_SINCE]: null },
  data: { ...data, 'next-ca.crt': null },
});

const fieldsOf = ({ annotations, data }: SecretContent) => ({ annotations, data });

const replicaNames = ['a', 'b', 'c', 'd', 'e'];

/** Contract tests of SecretStore, for the fake and for the store on an API server. */
export function secretStoreContract(name: string, make: (t: TestContext) => Promise<SecretUnderTest>): void {
  describe(`SecretStore contract: ${name}`, () => {
    test('the reference of a Secret store is namespace/name', async (t) => {
      const { replica } = await make(t);
      assert.match(replica('a').reference, /^[a-z0-9-]+\/[a-z0-9.-]+$/);
    });

    test('read() of the Secret store returns undefined if there is no Secret', async (t) => {
      const { replica } = await make(t);
      assert.equal(await replica('a').read(), undefined);
    });

    test('read() of the Secret store returns the created content, also to another replica', async (t) => {
      const { replica } = await make(t);
      assert.equal(await replica('a').create(content('first')), true);
      const { resourceVersion, uid, ...read } = await existing(replica('b'));
      const around = {
        type: 'kubernetes.io/tls',
        isImmutable: false,
        deletionWaitsFor: undefined,
        otherWriter: undefined,
      };
      assert.deepEqual(read, { ...content('first'), ...around });
      assert.match(resourceVersion, /./);
      assert.match(uid, /./);
    });

    test('read() of the Secret store returns the type of a Secret that another client created', async (t) => {
      const { replica, createAs } = await make(t);
      await createAs('Opaque', { note: toBase64('x') });
      const { type, labels, data, isImmutable } = await existing(replica('a'));
      assert.deepEqual([type, labels, data, isImmutable], ['Opaque', {}, { note: toBase64('x') }, false]);
    });

    test('read() of the Secret store returns whether the Secret is immutable', async (t) => {
      const { replica, editAs } = await make(t);
      await replica('a').create(content('first'));
      await editAs('another-manager', { isImmutable: true });
      assert.equal((await existing(replica('a'))).isImmutable, true);
    });

    test('read() of the Secret store returns the last writer that is not the daemon, even after a later update by the daemon', async (t) => {
      const { replica, editAs } = await make(t);
      await replica('a').create(content('first'));
      await editAs('another-manager', { annotations: { 'example.com/note': '1' } });
      const edited = await existing(replica('a'));
      assert.equal(edited.otherWriter, 'another-manager');
      await replica('b').update(content('second'), edited.resourceVersion);
      assert.equal((await existing(replica('b'))).otherWriter, 'another-manager');
    });

    test('create() of the Secret store omits fields that are null', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(withNull(content('first')));
      const { annotations, data } = await existing(replica('a'));
      assert.deepEqual({ annotations, data }, fieldsOf(content('first')));
    });

    test('create() returns false if another replica has created the Secret, and does not change it', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const before = await existing(replica('a'));
      assert.equal(await replica('b').create(content('second')), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('of several concurrent create() calls for one Secret exactly one returns true', async (t) => {
      const { replica } = await make(t);
      const outcomes = await Promise.all(replicaNames.map((one) => replica(one).create(content(one))));
      assert.deepEqual(outcomes.filter((isCreated) => isCreated).length, 1);
      const winner = replicaNames[outcomes.indexOf(true)] ?? '';
      assert.deepEqual((await existing(replica('a'))).data, content(winner).data);
    });

    test('update() changes the Secret that was read, and its resourceVersion', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const before = await existing(replica('b'));
      assert.equal(await replica('b').update(content('second'), before.resourceVersion), true);
      const { resourceVersion, ...after } = await existing(replica('a'));
      const { resourceVersion: versionBefore, ...around } = before;
      assert.deepEqual(after, { ...around, ...content('second') });
      assert.notEqual(resourceVersion, versionBefore);
    });

    test('update() of the Secret store removes fields that are null, and ignores absent ones', async (t) => {
      const { replica } = await make(t);
      const { labels, annotations, data } = content('first');
      await replica('a').create({
        labels,
        annotations: { ...annotations, [PHASE_SINCE]: '2026-03-01T12:00:00Z' },
        data: { ...data, 'next-ca.crt': toBase64('next') },
      });
      for (const text of ['second', 'third']) {
        await replica('a').update(withNull(content(text)), (await existing(replica('a'))).resourceVersion);
        const read = await existing(replica('a'));
        assert.deepEqual({ annotations: read.annotations, data: read.data }, fieldsOf(content(text)));
      }
    });

    test('update() of the Secret store keeps labels, annotations and data that it does not name', async (t) => {
      const { replica } = await make(t);
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

    test('update() returns false if the Secret was changed since the read, and changes nothing', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const stale = await existing(replica('a'));
      await replica('b').update(content('second'), stale.resourceVersion);
      const before = await existing(replica('a'));
      assert.equal(await replica('a').update(content('third'), stale.resourceVersion), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('update() returns false if there is no Secret, and creates none', async (t) => {
      const { replica } = await make(t);
      assert.equal(await replica('a').update(content('first'), '1'), false);
      assert.equal(await replica('a').read(), undefined);
    });

    test('of several concurrent update() calls on one resourceVersion exactly one returns true', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const { resourceVersion } = await existing(replica('a'));
      const outcomes = await Promise.all(replicaNames.map((one) => replica(one).update(content(one), resourceVersion)));
      assert.equal(outcomes.filter((isUpdated) => isUpdated).length, 1);
      const winner = replicaNames[outcomes.indexOf(true)] ?? '';
      assert.deepEqual((await existing(replica('a'))).data, content(winner).data);
    });

    test('delete() of the Secret store deletes the Secret that was read', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const read = await existing(replica('b'));
      assert.equal(await replica('b').delete(read), true);
      assert.equal(await replica('a').read(), undefined);
      assert.equal(await replica('b').delete(read), false);
    });

    test('delete() returns false if the Secret was changed since the read, and keeps it', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const stale = await existing(replica('a'));
      await replica('b').update(content('second'), stale.resourceVersion);
      const before = await existing(replica('a'));
      assert.equal(await replica('a').delete(stale), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('delete() returns false if a finalizer delays the deletion, and read() then returns the Secret with the finalizer', async (t) => {
      const { replica, editAs } = await make(t);
      await replica('a').create(content('first'));
      await editAs('another-manager', { finalizers: ['example.com/backup'] });
      const before = await existing(replica('a'));
      assert.equal(before.deletionWaitsFor, undefined);
      assert.equal(await replica('a').delete(before), false);
      const deleting = await existing(replica('a'));
      assert.deepEqual([deleting.uid, deleting.deletionWaitsFor], [before.uid, ['example.com/backup']]);
      await editAs('another-manager', { finalizers: [] });
      assert.equal(await replica('a').read(), undefined);
    });

    test('delete() returns false if the Secret was deleted and created again since the read, and keeps it', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const gone = await existing(replica('a'));
      await replica('a').delete(gone);
      assert.equal(await replica('b').create(content('second')), true);
      const before = await existing(replica('a'));
      assert.notEqual(before.uid, gone.uid);
      assert.equal(await replica('a').delete(gone), false);
      assert.deepEqual(await existing(replica('a')), before);
    });
  });
}

async function existing(store: SecretStore) {
  const secret = await store.read();
  assert.ok(secret, 'there is no Secret');
  return secret;
}
