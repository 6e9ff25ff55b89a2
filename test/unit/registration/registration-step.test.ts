import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { joinCertificates, type Pem, toBase64 } from '../../../src/lib/pem.ts';
import {
  type DesiredRegistration,
  desiredRegistration,
  ownWebhook,
  type RegistrationOptions,
} from '../../../src/registration/desired.ts';
import {
  decideRegistration,
  liveBundle,
  type RegistrationStore,
  writeRegistration,
} from '../../../src/registration/registration-step.ts';
import { aBundle, foreignEntry, registrationOptions } from '../../support/builders/a-registration.ts';
import {
  createFakeRegistrationStore,
  type FakeRegistrationStore,
} from '../../support/fakes/fake-registration-store.ts';

const [first, second] = [aBundle('first'), aBundle('second')];
const matchConditions = [{ name: 'not-deleting', expression: 'oldObject == null' }];

interface Reconcile extends Partial<RegistrationOptions> {
  readonly caBundle?: Pem;
}
async function reconcile(store: FakeRegistrationStore, { caBundle = first, ...options }: Reconcile = {}) {
  const live = await store.read();
  return written(store, wanted(live, { caBundle, ...options }), live);
}

/** Decides and writes the differences, as the holder of the Lease does. */
async function written(
  store: RegistrationStore,
  desired: DesiredRegistration,
  live: V1MutatingWebhookConfiguration | undefined,
) {
  const findings = decideRegistration(live, desired, true);
  const { isDrifted, drift } = findings;
  if (!isDrifted) return { result: 'unchanged', drift, liveBundle: liveBundle(live) ?? '' };
  const stored = await writeRegistration(store, findings);
  return { result: live ? 'updated' : 'created', drift, liveBundle: liveBundle(stored) ?? '' };
}

const wanted = (live: V1MutatingWebhookConfiguration | undefined, { caBundle = first, ...options }: Reconcile = {}) =>
  desiredRegistration(registrationOptions(options), { caBundle, matchConditions }, live);

/** Returns a store with the desired registration. */
async function registered(): Promise<FakeRegistrationStore> {
  const store = createFakeRegistrationStore();
  await reconcile(store);
  return store;
}

describe('reconciling the registration', () => {
  test('a missing registration is created, and its CA bundle is read back', async () => {
    const store = createFakeRegistrationStore();
    assert.deepEqual(await reconcile(store), { result: 'created', drift: [], liveBundle: first });
    assert.deepEqual(ownWebhook(store.current())?.matchConditions, matchConditions);
    assert.equal(liveBundle(store.current()), first);
  });

  test('a second reconcile of the registration writes nothing', async () => {
    const store = await registered();
    const before = store.current();
    assert.deepEqual(await reconcile(store), { result: 'unchanged', drift: [], liveBundle: first });
    assert.deepEqual(store.current(), before);
    assert.equal(store.writes(), 1);
  });

  test('a changed CA bundle is published, and the stored bundle is returned', async () => {
    const store = await registered();
    const both = joinCertificates([second, first]);
    assert.deepEqual(await reconcile(store, { caBundle: both }), {
      result: 'updated',
      drift: ['clientConfig.caBundle'],
      liveBundle: both,
    });
    assert.equal(liveBundle(store.current()), both);
  });

  test('a reconcile of the registration returns the CA bundle that the API server returned', async () => {
    const store = await registered();
    const apply = async (caBundle: string | undefined) => {
      const live = store.current();
      Object.assign(ownWebhook(live)?.clientConfig ?? {}, { caBundle });
      return live ?? {};
    };
    for (const [found, answered] of [
      [toBase64(second), second],
      [undefined, ''],
    ] as const) {
      const answer = () => apply(found);
      const overruled = { read: store.read, apply: answer, replaceEntry: answer };
      const live = await store.read();
      const both = wanted(live, { caBundle: joinCertificates([first, second]) });
      const { liveBundle } = await written(overruled, both, live);
      assert.equal(liveBundle, answered);
    }
  });

  const vandalism = {
    'an empty CA bundle': (entry: object) => Object.assign(entry, { clientConfig: { url: 'https://x.example.com' } }),
    'removed rules': (entry: object) => Object.assign(entry, { rules: [] }),
    'an edited failurePolicy': (entry: object) => Object.assign(entry, { failurePolicy: 'Fail' }),
    'removed match conditions': (entry: object) => Object.assign(entry, { matchConditions: [] }),
  };
  for (const [what, damage] of Object.entries(vandalism)) {
    test(`a reconcile of the registration repairs ${what}, and the next one writes nothing`, async () => {
      const store = await registered();
      const healthy = ownWebhook(store.current());
      store.edit((live) => damage(ownWebhook(live) ?? {}));
      const { result, drift } = await reconcile(store);
      assert.equal(result, 'updated');
      assert.notDeepEqual(drift, []);
      assert.deepEqual(ownWebhook(store.current()), healthy);
      assert.equal((await reconcile(store)).result, 'unchanged');
    });
  }

  test('a missing webhook entry is added beside the entries of others', async () => {
    const store = await registered();
    store.edit((live) => {
      live.webhooks = [foreignEntry()];
    });
    assert.deepEqual((await reconcile(store)).drift, ['webhook']);
    assert.deepEqual(
      store.current()?.webhooks?.map(({ name }) => name),
      [foreignEntry().name, 'modify.terraform.job.kb.io'],
    );
  });

  test('a reconcile of the registration keeps entries, labels, annotations and selectors of others', async () => {
    const store = await registered();
    const namespaceSelector = { matchExpressions: [{ key: 'control-plane', operator: 'DoesNotExist' }] };
    store.edit((live) => {
      live.webhooks?.unshift(foreignEntry());
      live.metadata = { ...live.metadata, annotations: { note: 'keep me' } };
      live.metadata.labels = { ...live.metadata.labels, team: 'platform' };
      Object.assign(ownWebhook(live) ?? {}, { namespaceSelector });
    });
    assert.equal((await reconcile(store)).result, 'unchanged');
    await reconcile(store, { timeoutSeconds: 17 });
    const live = store.current();
    assert.deepEqual(live?.webhooks?.[0], foreignEntry());
    assert.deepEqual(ownWebhook(live)?.namespaceSelector, namespaceSelector);
    assert.equal(ownWebhook(live)?.timeoutSeconds, 17);
    assert.deepEqual([live?.metadata?.labels?.team, live?.metadata?.annotations?.note], ['platform', 'keep me']);
  });

  test('a reconcile of the registration does not overwrite a state that it has not read', async () => {
    const store = await registered();
    const seen = await store.read();
    const touched = { timeoutSeconds: 9 };
    store.edit((live) => Object.assign(ownWebhook(live) ?? {}, touched));
    const onSeen = wanted(seen, { caBundle: second });
    await assert.rejects(written(store, onSeen, seen), { code: 'KUBE_CONFLICT' });
    assert.equal(ownWebhook(store.current())?.timeoutSeconds, 9);
  });

  test('of two replicas that update the registration at once, one gets a conflict; a reconcile after its retry changes nothing', async () => {
    const store = await registered();
    const results = await Promise.allSettled([
      reconcile(store, { timeoutSeconds: 17 }),
      reconcile(store, { timeoutSeconds: 18 }),
    ]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    await reconcile(store, { timeoutSeconds: 18 });
    assert.equal((await reconcile(store, { timeoutSeconds: 18 })).result, 'unchanged');
  });
});

describe('a replica without the Lease', () => {
  const withoutLease = async (store: FakeRegistrationStore, options: Reconcile) => {
    const live = await store.read();
    return decideRegistration(live, wanted(live, options), false);
  };

  test('a replica without the Lease keeps the spec of the holder and names the differing fields', async () => {
    const store = await registered();
    const findings = await withoutLease(store, { failurePolicy: 'Fail', timeoutSeconds: 17 });
    assert.deepEqual([findings.scope, findings.isDrifted, findings.drift], ['trust', false, []]);
    assert.deepEqual(findings.leftToHolder, ['failurePolicy', 'timeoutSeconds']);
  });

  test('a replica without the Lease repairs only the CA bundle', async () => {
    const store = await registered();
    store.edit((live) => Object.assign(ownWebhook(live) ?? {}, { failurePolicy: 'Fail' }));
    const findings = await withoutLease(store, { caBundle: second, timeoutSeconds: 17 });
    assert.deepEqual(findings.drift, ['clientConfig.caBundle']);
    await writeRegistration(store, findings);
    const { clientConfig, timeoutSeconds, failurePolicy } = ownWebhook(store.current()) ?? {};
    assert.deepEqual([liveBundle(store.current()), timeoutSeconds, failurePolicy], [second, 5, 'Fail']);
    assert.deepEqual(clientConfig?.service, ownWebhook(wanted(undefined))?.clientConfig.service);
    assert.equal((await withoutLease(store, { caBundle: second })).isDrifted, false);
  });

  test('without the Lease, a write of the CA bundle fails with KUBE_CONFLICT if another writer changes the registration between read and write', async () => {
    const store = await registered();
    const findings = await withoutLease(store, { caBundle: second });
    store.edit((live) => Object.assign(ownWebhook(live) ?? {}, { timeoutSeconds: 9 }));
    await assert.rejects(writeRegistration(store, findings), { code: 'KUBE_CONFLICT' });
  });

  test('a replica without the Lease completely restores an entry without rules', async () => {
    const store = await registered();
    const healthy = ownWebhook(store.current());
    store.edit((live) => Object.assign(ownWebhook(live) ?? {}, { rules: [] }));
    await writeRegistration(store, await withoutLease(store, {}));
    assert.deepEqual(ownWebhook(store.current()), healthy);
  });

  test('a replica without the Lease creates a missing registration or entry with the whole webhook spec', async () => {
    const store = createFakeRegistrationStore();
    const created = await withoutLease(store, {});
    assert.deepEqual([created.scope, created.isDrifted], ['whole', true]);
    await writeRegistration(store, created);
    const healthy = ownWebhook(store.current());
    store.edit((live) => {
      live.webhooks = [foreignEntry()];
    });
    const restored = await withoutLease(store, {});
    assert.deepEqual([restored.scope, restored.drift], ['whole', ['webhook']]);
    await writeRegistration(store, restored);
    assert.deepEqual(ownWebhook(store.current()), healthy);
  });
});

describe('liveBundle', () => {
  test('liveBundle returns the CA bundle of our entry as PEM', async () => {
    const store = await registered();
    store.edit((live) => live.webhooks?.unshift({ ...foreignEntry(), clientConfig: { caBundle: 'bm90IG91cnM=' } }));
    assert.equal(liveBundle(store.current()), first);
  });

  test('liveBundle returns undefined without a registration, an entry or a bundle', () => {
    assert.equal(liveBundle(undefined), undefined);
    assert.equal(liveBundle({ webhooks: [foreignEntry()] }), undefined);
    assert.equal(liveBundle({ webhooks: [{ ...foreignEntry(), name: 'modify.terraform.job.kb.io' }] }), undefined);
  });
});
