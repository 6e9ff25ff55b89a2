import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { SecretContent } from '../../../src/certs/secret.ts';
import type { SecretStore } from '../../../src/certs/secret-step.ts';
import { toBase64 } from '../../../src/lib/pem.ts';

/** A change of the Secret by another client. */
export interface Edit {
  readonly annotations?: Record<string, string>;
  readonly isImmutable?: boolean;
}

/** A Secret that does not exist yet. */
export interface SecretUnderTest {
  /**
   * Returns the store of the replica of that name. Tests need two replicas: the second creator gets a conflict, but a
   * replica that repeats its own create need not get one.
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

/** Returns the content with further keys set to null, which requests their absence. */
const withNull = ({ labels, annotations, data }: SecretContent): SecretContent => ({
  labels,
  annotations: { ...annotations, [PHASE_SINCE]: null },
  data: { ...data, 'next-ca.crt': null },
});

const fieldsOf = ({ annotations, data }: SecretContent) => ({ annotations, data });

const replicaNames = ['a', 'b', 'c', 'd', 'e'];

/** Contract tests of SecretStore, for the fake and for the store on an API server. */
export function secretStoreContract(name: string, make: (t: TestContext) => Promise<SecretUnderTest>): void {
  describe(`the Secret store of ${name}`, () => {
    test('names the Secret as namespace/name', async (t) => {
      const { replica } = await make(t);
      assert.match(replica('a').reference, /^[a-z0-9-]+\/[a-z0-9.-]+$/);
    });

    test('reads nothing where there is no Secret', async (t) => {
      const { replica } = await make(t);
      assert.equal(await replica('a').read(), undefined);
    });

    test('reads what was created, also as another replica', async (t) => {
      const { replica } = await make(t);
      assert.equal(await replica('a').create(content('first')), true);
      const { resourceVersion, uid, ...read } = await existing(replica('b'));
      const around = { type: 'kubernetes.io/tls', isImmutable: false, otherWriter: undefined };
      assert.deepEqual(read, { ...content('first'), ...around });
      assert.match(resourceVersion, /./);
      assert.match(uid, /./);
    });

    test('reads of which type a Secret is that somebody else has made', async (t) => {
      const { replica, createAs } = await make(t);
      await createAs('Opaque', { note: toBase64('x') });
      const { type, labels, data, isImmutable } = await existing(replica('a'));
      assert.deepEqual([type, labels, data, isImmutable], ['Opaque', {}, { note: toBase64('x') }, false]);
    });

    test('reads whether the Secret can never be changed', async (t) => {
      const { replica, editAs } = await make(t);
      await replica('a').create(content('first'));
      await editAs('another-manager', { isImmutable: true });
      assert.equal((await existing(replica('a'))).isImmutable, true);
    });

    test('reads who else has written the Secret, also after an update of its own', async (t) => {
      const { replica, editAs } = await make(t);
      await replica('a').create(content('first'));
      await editAs('another-manager', { annotations: { 'example.com/note': '1' } });
      const edited = await existing(replica('a'));
      assert.equal(edited.otherWriter, 'another-manager');
      await replica('b').update(content('second'), edited.resourceVersion);
      assert.equal((await existing(replica('b'))).otherWriter, 'another-manager');
    });

    test('creates without what is null', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(withNull(content('first')));
      const { annotations, data } = await existing(replica('a'));
      assert.deepEqual({ annotations, data }, fieldsOf(content('first')));
    });

    test('tells a replica that comes second to create, and keeps what the first one wrote', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const before = await existing(replica('a'));
      assert.equal(await replica('b').create(content('second')), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('lets exactly one of several replicas create', async (t) => {
      const { replica } = await make(t);
      const outcomes = await Promise.all(replicaNames.map((one) => replica(one).create(content(one))));
      assert.deepEqual(outcomes.filter((isCreated) => isCreated).length, 1);
      const winner = replicaNames[outcomes.indexOf(true)] ?? '';
      assert.deepEqual((await existing(replica('a'))).data, content(winner).data);
    });

    test('updates what was read, under another resourceVersion', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const before = await existing(replica('b'));
      assert.equal(await replica('b').update(content('second'), before.resourceVersion), true);
      const { resourceVersion, ...after } = await existing(replica('a'));
      const { resourceVersion: versionBefore, ...around } = before;
      assert.deepEqual(after, { ...around, ...content('second') });
      assert.notEqual(resourceVersion, versionBefore);
    });

    test('takes out with an update what is null, also where it is not there', async (t) => {
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

    test('keeps the labels, annotations and data that an update does not name', async (t) => {
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

    test('refuses an update of a state that is no longer there, and changes nothing', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const stale = await existing(replica('a'));
      await replica('b').update(content('second'), stale.resourceVersion);
      const before = await existing(replica('a'));
      assert.equal(await replica('a').update(content('third'), stale.resourceVersion), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('refuses an update where there is no Secret, and creates none', async (t) => {
      const { replica } = await make(t);
      assert.equal(await replica('a').update(content('first'), '1'), false);
      assert.equal(await replica('a').read(), undefined);
    });

    test('lets exactly one of several replicas update the same state', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const { resourceVersion } = await existing(replica('a'));
      const outcomes = await Promise.all(replicaNames.map((one) => replica(one).update(content(one), resourceVersion)));
      assert.equal(outcomes.filter((isUpdated) => isUpdated).length, 1);
      const winner = replicaNames[outcomes.indexOf(true)] ?? '';
      assert.deepEqual((await existing(replica('a'))).data, content(winner).data);
    });

    test('deletes exactly what was read', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const read = await existing(replica('b'));
      assert.equal(await replica('b').delete(read), true);
      assert.equal(await replica('a').read(), undefined);
      assert.equal(await replica('b').delete(read), false);
    });

    test('does not delete what was changed since it was read', async (t) => {
      const { replica } = await make(t);
      await replica('a').create(content('first'));
      const stale = await existing(replica('a'));
      await replica('b').update(content('second'), stale.resourceVersion);
      const before = await existing(replica('a'));
      assert.equal(await replica('a').delete(stale), false);
      assert.deepEqual(await existing(replica('a')), before);
    });

    test('does not delete what has come in the place of what was read', async (t) => {
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
