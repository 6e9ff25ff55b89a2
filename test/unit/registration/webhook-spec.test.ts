import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1ManagedFieldsEntry, V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { matchConditions } from '../../../src/policy/cel.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { desiredRegistration, type RegistrationOptions } from '../../../src/registration/desired.ts';
import { lastWriter, specOf } from '../../../src/registration/webhook-spec.ts';
import { aBundle, registrationOptions } from '../../support/builders/a-registration.ts';

const [first, second] = [aBundle('first'), aBundle('second')];
const wanted = (options: Partial<RegistrationOptions> = {}, caBundle = first) =>
  desiredRegistration(registrationOptions(options), { caBundle, matchConditions: matchConditions(terraformPolicy) });
const own = wanted();

/** Returns the managedFields that the API server records for an applied value. Atomic lists count as one field. */
function fieldsOf(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== null)
      .map(([field, part]) => [
        `f:${field}`,
        field === 'matchConditions'
          ? itemsOf(part)
          : typeof part === 'object' && !Array.isArray(part)
            ? fieldsOf(part)
            : {},
      ]),
  );
}

const itemsOf = (items: readonly { readonly name: string }[]) =>
  Object.fromEntries(items.map((item) => [`k:${JSON.stringify({ name: item.name })}`, { '.': {}, ...fieldsOf(item) }]));

const entryName = 'k:{"name":"modify.terraform.job.kb.io"}';
const manages = (manager: string, entry: object): V1ManagedFieldsEntry => ({
  manager,
  time: new Date('2026-03-01T12:00:00Z'),
  fieldsV1: { 'f:webhooks': { '.': {}, [entryName]: { '.': {}, ...fieldsOf(entry) } } },
});

/** Returns the registration as a daemon with these options writes it. */
function written(options: Partial<RegistrationOptions> = {}): V1MutatingWebhookConfiguration {
  const { metadata, ...rest } = wanted(options);
  return { ...rest, metadata: { ...metadata, managedFields: [manages('terraform-daemon', rest.webhooks[0])] } };
}

/** Returns an entry in which another manager has changed one field and owns it alone. */
function edited(field: keyof V1MutatingWebhook, value: unknown, manager = 'kubectl-edit') {
  const live = written({ failurePolicy: 'Fail' });
  const [entry] = live.webhooks ?? [];
  assert.ok(entry);
  const { [field]: _, ...rest } = entry;
  return {
    ...live,
    webhooks: [value === undefined ? rest : { ...rest, [field]: value }] as V1MutatingWebhook[],
    metadata: {
      ...live.metadata,
      managedFields: [
        manages('terraform-daemon', rest),
        ...(value === undefined ? [] : [manages(manager, { [field]: value })]),
      ],
    },
  };
}

describe('the webhook spec', () => {
  test('the webhook spec depends on the options, not on the CA bundle or the selectors', () => {
    const [entry] = own.webhooks;
    assert.deepEqual(specOf(wanted({}, second).webhooks[0]), specOf(entry));
    assert.deepEqual(specOf({ ...entry, namespaceSelector: { matchLabels: { a: 'b' } } }), specOf(entry));
    assert.notDeepEqual(specOf(wanted({ failurePolicy: 'Fail' }).webhooks[0]), specOf(entry));
    assert.equal('url' in (specOf(entry).clientConfig as object), false, 'a null is as good as absent');
  });
});

describe('the last writer of the webhook entry', () => {
  test('lastWriter returns another install if Service or URL differ', () => {
    const live = written({ target: { service: { namespace: 'other', name: 'hook', port: 443, path: '/' } } });
    assert.equal(lastWriter(live, own), 'terraform-daemon of Service other/hook');
    const url = 'https://a.example.com/x';
    assert.equal(lastWriter(written({ target: { url } }), own), `terraform-daemon of ${url}`);
  });

  test('lastWriter does not return this install', () => {
    assert.equal(lastWriter(written(), own), undefined);
    assert.equal(lastWriter(written({ failurePolicy: 'Fail' }), own), undefined);
  });

  test('lastWriter returns the last field manager other than the daemon', () => {
    assert.equal(lastWriter(edited('failurePolicy', 'Ignore', 'argocd'), own), 'argocd');
    assert.equal(lastWriter(edited('rules', undefined), own), undefined);
    assert.equal(lastWriter(undefined, own), undefined);
  });
});
