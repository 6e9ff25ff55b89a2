import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { desiredRegistration } from '../../../src/registration/desired.ts';
import { drift, driftReason, registrationReasons } from '../../../src/registration/drift.ts';
import { aBundle, foreignEntry, registrationOptions } from '../../support/builders/a-registration.ts';

const condition = { name: 'not-deleting', expression: 'oldObject == null' };
const desired = desiredRegistration(registrationOptions(), {
  caBundle: aBundle('first'),
  matchConditions: [condition],
});
const [own] = desired.webhooks;
const url = 'https://127.0.0.1:8090/modify-terraform-job';
const { service, caBundle } = own.clientConfig;

/** Returns the desired registration as the API server returns it, with changed fields of our entry. */
const live = (changes: Partial<V1MutatingWebhook> = {}): V1MutatingWebhookConfiguration => ({
  ...desired,
  metadata: { ...desired.metadata, uid: '1', resourceVersion: '42', generation: 3 },
  webhooks: [{ ...own, ...changes }],
});
/** Returns the registration with our entry, which lacks one field. */
const without = (field: keyof V1MutatingWebhook): V1MutatingWebhookConfiguration => {
  const { [field]: _gone, ...rest } = own;
  return { ...live(), webhooks: [rest as V1MutatingWebhook] };
};

const [rule] = own.rules;
assert.ok(rule && service);
const changes: Readonly<Record<string, readonly Partial<V1MutatingWebhook>[]>> = {
  admissionReviewVersions: [{ admissionReviewVersions: ['v1', 'v1beta1'] }, { admissionReviewVersions: [] }],
  'clientConfig.caBundle': [
    { clientConfig: { service, caBundle: Buffer.from(aBundle('second')).toString('base64') } },
    { clientConfig: { service, caBundle: '' } },
    { clientConfig: { service } },
  ],
  'clientConfig.service': [
    { clientConfig: { service: { ...service, name: 'other' }, caBundle: caBundle ?? '' } },
    { clientConfig: { service: { ...service, namespace: 'other' }, caBundle: caBundle ?? '' } },
    { clientConfig: { service: { ...service, port: 8443 }, caBundle: caBundle ?? '' } },
    { clientConfig: { service: { ...service, path: '/' }, caBundle: caBundle ?? '' } },
    { clientConfig: { caBundle: caBundle ?? '' } },
  ],
  failurePolicy: [{ failurePolicy: 'Fail' }],
  matchConditions: [
    { matchConditions: [] },
    { matchConditions: [{ ...condition, expression: 'true' }] },
    { matchConditions: [condition, { name: 'other', expression: 'false' }] },
  ],
  matchPolicy: [{ matchPolicy: 'Exact' }],
  reinvocationPolicy: [{ reinvocationPolicy: 'Never' }],
  rules: [
    { rules: [] },
    { rules: [{ ...rule, operations: ['CREATE'] }] },
    { rules: [{ ...rule, scope: 'Namespaced' }] },
    { rules: [{ ...rule, resources: ['jobs', 'jobs/status'] }] },
    { rules: [rule, rule] },
  ],
  sideEffects: [{ sideEffects: 'NoneOnDryRun' }],
  timeoutSeconds: [{ timeoutSeconds: 30 }],
};

/**
 * Fields of the webhook entry that `drift` never reports. Platforms can change the selectors. An entry with another
 * name is not the entry of the daemon.
 */
const notOwned = ['name', 'namespaceSelector', 'objectSelector'];

describe('drift', () => {
  test('there is no drift in a correct registration', () => {
    assert.deepEqual(drift(live(), desired), []);
  });

  for (const [field, variants] of Object.entries(changes)) {
    variants.forEach((variant, index) => {
      test(`drift names ${field} if only this field differs (variant ${index + 1})`, () => {
        assert.deepEqual(drift(live(variant), desired), [field]);
      });
    });
  }

  for (const field of Object.keys(changes).filter((field) => !field.includes('.'))) {
    test(`drift names ${field} if it is missing`, () => {
      assert.deepEqual(drift(without(field as keyof V1MutatingWebhook), desired), [field]);
    });
  }

  test('drift is checked in each field of our entry', () => {
    const tested = new Set(Object.keys(changes).map((field) => field.replace(/\..*$/, '')));
    assert.deepEqual(
      Object.keys(own)
        .filter((field) => !tested.has(field))
        .sort(),
      notOwned,
    );
  });

  test('drift names clientConfig.service and clientConfig.url if one replaces the other', () => {
    const byUrl = { url, caBundle: caBundle ?? '' };
    assert.deepEqual(drift(live({ clientConfig: byUrl }), desired), ['clientConfig.service', 'clientConfig.url']);
    const wanted = desiredRegistration(registrationOptions({ target: { url } }), {
      caBundle: aBundle('first'),
      matchConditions: [condition],
    });
    assert.deepEqual(drift(live(), wanted), ['clientConfig.service', 'clientConfig.url']);
    assert.deepEqual(drift(live({ clientConfig: byUrl }), wanted), []);
  });

  test('drift names all differing fields in alphabetical order', () => {
    const differing = { timeoutSeconds: 30, failurePolicy: 'Fail', clientConfig: { service } };
    const unlabelled = { ...live(differing), metadata: {} };
    assert.deepEqual(drift(unlabelled, desired), [
      'clientConfig.caBundle',
      'failurePolicy',
      'labels.app.kubernetes.io/managed-by',
      'timeoutSeconds',
    ]);
  });

  test('a managed-by label of another manager is no drift', () => {
    const taken = { ...live(), metadata: { labels: { 'app.kubernetes.io/managed-by': 'Helm' } } };
    const wanted = desiredRegistration(
      registrationOptions(),
      { caBundle: aBundle('first'), matchConditions: [condition] },
      taken,
    );
    assert.deepEqual(drift(taken, wanted), []);
  });

  test('a missing webhook entry is drift', () => {
    assert.deepEqual(drift({ ...live(), webhooks: [foreignEntry()] }, desired), ['webhook']);
    assert.deepEqual(drift({ metadata: {} }, desired), ['webhook']);
  });

  test('webhook entries, labels and annotations of others are no drift', () => {
    const shared = live();
    const labels = { ...shared.metadata?.labels, team: 'platform' };
    const metadata = { ...shared.metadata, labels, annotations: { note: 'x' } };
    const webhooks = [foreignEntry(), ...(shared.webhooks ?? []), { ...foreignEntry(), name: 'third.example.com' }];
    assert.deepEqual(drift({ ...shared, metadata, webhooks }, desired), []);
  });

  test('selectors that the desired registration has adopted are no drift', () => {
    const own = live({ namespaceSelector: { matchLabels: { a: 'b' } }, objectSelector: { matchLabels: { c: 'd' } } });
    const wanted = desiredRegistration(
      registrationOptions(),
      { caBundle: aBundle('first'), matchConditions: [condition] },
      own,
    );
    assert.deepEqual(drift(own, wanted), []);
  });

  test('the order of fields and undefined fields are no drift', () => {
    const reversed = Object.fromEntries(Object.entries(own).reverse()) as unknown as V1MutatingWebhook;
    const clientConfig = { caBundle, service, url: undefined };
    const webhooks = [{ ...reversed, clientConfig }] as unknown as V1MutatingWebhook[];
    assert.deepEqual(drift({ ...live(), webhooks }, desired), []);
  });
});

describe('the reason for a write of the registration', () => {
  const rows = [
    { fields: [], reason: 'no-registration' },
    { fields: ['webhook'], reason: 'entry-removed' },
    { fields: ['webhook', 'labels.app.kubernetes.io/managed-by'], reason: 'entry-removed' },
    { fields: ['clientConfig.caBundle'], reason: 'ca-bundle' },
    { fields: ['clientConfig.caBundle', 'rules'], reason: 'drift' },
    { fields: ['timeoutSeconds'], reason: 'drift' },
  ] as const;
  for (const { fields, reason } of rows) {
    test(`driftReason returns ${reason} if these fields differ: ${fields.join(', ') || 'none, because there is no registration'}`, () => {
      assert.equal(driftReason(fields), reason);
    });
  }

  test('the test rows above contain every reason of registrationReasons', () => {
    assert.deepEqual([...new Set(rows.map(({ reason }) => reason))].sort(), Object.keys(registrationReasons).sort());
  });
});
