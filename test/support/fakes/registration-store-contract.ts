import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { otherWriter } from '../../../src/kube/managed-fields.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import {
  type DesiredRegistration,
  desiredRegistration,
  ownWebhook,
  type RegistrationOptions,
} from '../../../src/registration/desired.ts';
import type { RegistrationStore } from '../../../src/registration/registration-step.ts';
import { aCertificateAuthority } from '../builders/a-certificate-set.ts';
import { foreignEntry, registrationOptions } from '../builders/a-registration.ts';

/** A registration that does not exist yet. */
export interface RegistrationUnderTest {
  readonly name: string;
  readonly store: RegistrationStore;
  /** Reads, changes and replaces the object as the field manager `another-manager`. */
  edit(change: (live: V1MutatingWebhookConfiguration) => void): void | Promise<void>;
}

/** Contract tests of RegistrationStore, for the fake and for the store on an API server. */
export function registrationStoreContract(
  name: string,
  make: (t: TestContext) => Promise<RegistrationUnderTest>,
): void {
  describe(`RegistrationStore contract: ${name}`, () => {
    test('read() of the registration store returns undefined if there is no registration', async (t) => {
      const { store } = await make(t);
      assert.equal(await store.read(), undefined);
    });

    test('apply() of the registration store creates the registration and returns the same object as the next read()', async (t) => {
      const { name, store } = await make(t);
      const wanted = await desired(name);
      const stored = await store.apply(wanted);
      assert.deepEqual(plain(ownWebhook(stored)), plain(wanted.webhooks[0]));
      assert.deepEqual(stored.metadata?.labels, wanted.metadata?.labels);
      assert.deepEqual(plain(stored), plain(await store.read()));
    });

    test('apply() of an unchanged registration keeps its resourceVersion', async (t) => {
      const { name, store } = await make(t);
      const first = await store.apply(await desired(name));
      const second = await store.apply(await desired(name, {}, first));
      assert.match(first.metadata?.resourceVersion ?? '', /./);
      assert.equal(second.metadata?.resourceVersion, first.metadata?.resourceVersion);
    });

    test('apply() changes a field of our webhook entry and the resourceVersion', async (t) => {
      const { name, store } = await make(t);
      const first = await store.apply(await desired(name));
      const second = await store.apply(await desired(name, { timeoutSeconds: 17 }, first));
      assert.equal(ownWebhook(second)?.timeoutSeconds, 17);
      assert.notEqual(second.metadata?.resourceVersion, first.metadata?.resourceVersion);
    });

    test('apply() replaces the Service of our entry by a URL, and a URL by a Service', async (t) => {
      const { name, store } = await make(t);
      const target = { url: 'https://127.0.0.1:8090/modify-terraform-job' };
      const first = await store.apply(await desired(name));
      const second = await store.apply(await desired(name, { target }, first));
      const byUrl = ownWebhook(second)?.clientConfig;
      assert.deepEqual([byUrl?.url, byUrl?.service], [target.url, undefined]);
      const byService = ownWebhook(await store.apply(await desired(name, {}, second)))?.clientConfig;
      assert.equal(byService?.url, undefined);
      assert.equal(byService?.service?.port, 443);
    });

    test('apply() of the registration store keeps webhook entries, labels and annotations of other managers', async (t) => {
      const { name, store, edit } = await make(t);
      await store.apply(await desired(name));
      await edit((live) => {
        live.webhooks?.push(foreignEntry());
        live.metadata = { ...live.metadata, annotations: { note: 'keep me' } };
        live.metadata.labels = { ...live.metadata.labels, team: 'platform' };
      });
      const stored = await store.apply(await desired(name, { timeoutSeconds: 17 }, await store.read()));
      assert.deepEqual(plain(entryOf(stored, foreignEntry().name)), plain(foreignEntry()));
      assert.equal(ownWebhook(stored)?.timeoutSeconds, 17);
      assert.equal(stored.metadata?.labels?.team, 'platform');
      assert.equal(stored.metadata?.annotations?.note, 'keep me');
    });

    test('apply() restores a field of our entry that another manager has changed', async (t) => {
      const { name, store, edit } = await make(t);
      const first = await store.apply(await desired(name));
      await edit((live) => {
        Object.assign(ownWebhook(live) ?? {}, { timeoutSeconds: 1, failurePolicy: 'Fail', rules: [] });
      });
      const stored = await store.apply(await desired(name, {}, await store.read()));
      assert.deepEqual(plain(ownWebhook(stored)), plain(ownWebhook(first)));
    });

    test('read() of the registration store returns the managedFields of another writer after an edit by this writer', async (t) => {
      const { name, store, edit } = await make(t);
      assert.equal(otherWriter((await store.apply(await desired(name))).metadata), undefined);
      await edit((live) => {
        live.webhooks?.push(foreignEntry());
      });
      assert.equal(otherWriter((await store.read())?.metadata), 'another-manager');
    });

    test('the registration store writes if the resourceVersion in the body is the current one', async (t) => {
      const { name, store } = await make(t);
      const live = await store.apply(await desired(name));
      const stored = await store.apply(await desired(name, { timeoutSeconds: 17 }, live));
      assert.equal(ownWebhook(stored)?.timeoutSeconds, 17);
    });

    test('replaceEntry() replaces the whole entry and removes match conditions of other managers', async (t) => {
      const { name, store, edit } = await make(t);
      await store.apply(await desired(name));
      await edit((live) => {
        live.webhooks?.unshift(foreignEntry());
        ownWebhook(live)?.matchConditions?.push({ name: 'never', expression: 'false' });
      });
      const live = (await store.read()) ?? {};
      const [entry] = (await desired(name)).webhooks;
      const stored = await store.replaceEntry(live, 1, entry);
      assert.deepEqual(plain(ownWebhook(stored)?.matchConditions), matchConditions);
      assert.deepEqual(plain(entryOf(stored, foreignEntry().name)), plain(foreignEntry()));
      await assert.rejects(store.replaceEntry(live, 1, entry), isConflict);
    });

    test('apply() of a registration that did not exist throws KUBE_CONFLICT if it exists now, and changes nothing', async (t) => {
      const { name, store } = await make(t);
      const [first, second] = [await desired(name), await desired(name, { timeoutSeconds: 17 })];
      await store.apply(first);
      const before = await store.read();
      await assert.rejects(store.apply(second), isConflict);
      assert.deepEqual(plain(await store.read()), plain(before));
    });

    test('the registration store throws KUBE_CONFLICT for an old resourceVersion, and changes nothing', async (t) => {
      const { name, store, edit } = await make(t);
      const live = await store.apply(await desired(name));
      await edit((now) => {
        now.metadata = { ...now.metadata, annotations: { note: 'later' } };
      });
      const before = await store.read();
      await assert.rejects(store.apply(await desired(name, { timeoutSeconds: 17 }, live)), isConflict);
      assert.deepEqual(plain(await store.read()), plain(before));
    });
  });
}

/** Each list has one item, because the API server drops empty lists. */
const matchConditions = [{ name: 'not-deleting', expression: 'oldObject == null' }];

async function desired(
  name: string,
  fields: Partial<RegistrationOptions> = {},
  live?: V1MutatingWebhookConfiguration,
): Promise<DesiredRegistration> {
  const { certificate } = await aCertificateAuthority();
  return desiredRegistration(
    registrationOptions({ name, ...fields }),
    { caBundle: certificate, matchConditions },
    live,
  );
}

const entryOf = (live: V1MutatingWebhookConfiguration, name: string): V1MutatingWebhook | undefined =>
  live.webhooks?.find((entry) => entry.name === name);

const isConflict = (error: unknown): boolean => error instanceof OperatorError && error.code === 'KUBE_CONFLICT';

/**
 * Converts a registration to plain JSON, to compare registrations of client-node with expected objects. The result
 * lacks fields that are undefined or null.
 */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value ?? {}, (_field, part) => (part === null ? undefined : part)));
