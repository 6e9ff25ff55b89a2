import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1ManagedFieldsEntry, V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { matchConditions } from '../../../src/policy/cel.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { desiredRegistration, type RegistrationOptions } from '../../../src/registration/desired.ts';
import { drift } from '../../../src/registration/drift.ts';
import { lastWriter, onTermsOf, otherTerms, termsOf } from '../../../src/registration/webhook-spec.ts';
import { aBundle, registrationOptions } from '../../support/builders/a-registration.ts';

const [first, second] = [aBundle('first'), aBundle('second')];
const wanted = (options: Partial<RegistrationOptions> = {}, caBundle = first) =>
  desiredRegistration(registrationOptions(options), caBundle, matchConditions(terraformPolicy));
const own = wanted();

/** What the API server notes of an entry that was applied: each field, but a list that is one value as a whole. */
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

/** As a daemon with these options has written it. */
function written(options: Partial<RegistrationOptions> = {}): V1MutatingWebhookConfiguration {
  const { metadata, ...rest } = wanted(options);
  return { ...rest, metadata: { ...metadata, managedFields: [manages('terraform-daemon', rest.webhooks[0])] } };
}

/** And then somebody has changed one field, which is nobody else's from then on. */
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

describe('the terms of another replica', () => {
  const service = { namespace: 'vela-system', name: 'terraform-job-webhook-service', port: 443, path: '/mutate' };
  const others: Readonly<Record<string, Partial<RegistrationOptions>>> = {
    'another failure policy': { failurePolicy: 'Fail' },
    'another timeout': { timeoutSeconds: 9 },
    'another port and path': { target: { service: { ...service, port: 8443, path: '/elsewhere' } } },
  };
  for (const [what, options] of Object.entries(others)) {
    test(`are ${what}, and can be left with a CA bundle of ours`, () => {
      const live = written(options);
      const other = otherTerms(live, own);
      assert.deepEqual(other, termsOf(wanted(options).webhooks[0]));
      assert.ok(other);
      assert.deepEqual(drift(live, onTermsOf(own, other)), []);
      assert.deepEqual(drift(live, onTermsOf(wanted({}, second), other)), ['clientConfig.caBundle']);
    });
  }

  test('are not ours, whatever the bundle and the selectors are', () => {
    const live = written();
    assert.equal(otherTerms(live, own), undefined);
    assert.equal(otherTerms(live, wanted({}, second)), undefined);
    const namespaceSelector = { matchLabels: { a: 'b' } };
    const [entry] = live.webhooks ?? [];
    assert.equal(otherTerms({ ...live, webhooks: [{ ...entry, namespaceSelector } as never] }, own), undefined);
  });

  test('are not those of an install behind another Service, whose authority we do not have', () => {
    const elsewhere = { service: { ...service, namespace: 'other' } };
    assert.equal(otherTerms(written({ target: elsewhere }), own), undefined);
    assert.equal(otherTerms(written({ target: { url: 'https://a.example.com/x' } }), own), undefined);
    const url = (url: string) => ({ target: { url } });
    assert.ok(otherTerms(written(url('https://a.example.com:8443/y')), wanted(url('https://a.example.com/x'))));
    assert.equal(
      otherTerms(written(url('https://b.example.com/x')), wanted(url('https://a.example.com/x'))),
      undefined,
    );
  });

  const damages: readonly [what: string, field: keyof V1MutatingWebhook, value: unknown][] = [
    ['a failure policy', 'failurePolicy', 'Ignore'],
    ['a timeout', 'timeoutSeconds', 30],
    ['rules', 'rules', []],
    ['no rules', 'rules', undefined],
    ['side effects', 'sideEffects', 'Unknown'],
    ['no conditions', 'matchConditions', undefined],
    ['conditions', 'matchConditions', [{ name: 'never', expression: 'false' }]],
  ];
  for (const [what, field, value] of damages) {
    test(`are not ${what} by somebody else's hand`, () => {
      assert.equal(otherTerms(edited(field, value), own), undefined);
    });
  }

  test('are not a rule that somebody has copied from elsewhere, however sound', () => {
    const live = written({ failurePolicy: 'Fail' });
    const [entry] = live.webhooks ?? [];
    const elsewhere = matchConditions({
      rules: [{ name: 'all', match: {}, set: { backoffLimit: 0, restartPolicy: 'Never' } }],
    });
    const copied = { ...entry, matchConditions: elsewhere } as V1MutatingWebhook;
    assert.equal(otherTerms({ ...live, webhooks: [copied] }, own), undefined);
    const others = { ...live.metadata, managedFields: [manages('terraform-daemon', copied)] };
    assert.ok(otherTerms({ ...live, webhooks: [copied], metadata: others }, own), 'a daemon has written it');
  });

  test('are not an expression that somebody else has written into a condition', () => {
    const live = written({ failurePolicy: 'Fail' });
    const [entry] = live.webhooks ?? [];
    const names = entry?.matchConditions?.map(({ name }) => ({ name }));
    const managedFields = [manages('terraform-daemon', { ...entry, matchConditions: names })];
    assert.equal(otherTerms({ ...live, metadata: { ...live.metadata, managedFields } }, own), undefined);
  });

  test('are not known where nobody tells who has written', () => {
    const { managedFields, ...metadata } = written({ failurePolicy: 'Fail' }).metadata ?? {};
    assert.equal(otherTerms({ ...written({ failurePolicy: 'Fail' }), metadata }, own), undefined);
    assert.equal(otherTerms(undefined, own), undefined);
    assert.equal(otherTerms({ webhooks: [] }, own), undefined);
  });
});

describe('who has written last', () => {
  test('is the daemon of another install, by its Service or URL', () => {
    const live = written({ target: { service: { namespace: 'other', name: 'hook', port: 443, path: '/' } } });
    assert.equal(lastWriter(live, own), 'terraform-daemon of Service other/hook');
    const url = 'https://a.example.com/x';
    assert.equal(lastWriter(written({ target: { url } }), own), `terraform-daemon of ${url}`);
  });

  test('is never our own install', () => {
    assert.equal(lastWriter(written(), own), undefined);
    assert.equal(lastWriter(written({ failurePolicy: 'Fail' }), own), undefined);
  });

  test('is the other field manager where a field is not', () => {
    assert.equal(lastWriter(edited('failurePolicy', 'Ignore', 'argocd'), own), 'argocd');
    assert.equal(lastWriter(edited('rules', undefined), own), undefined);
    assert.equal(lastWriter(undefined, own), undefined);
  });
});
