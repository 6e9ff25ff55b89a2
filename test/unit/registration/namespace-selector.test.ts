import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1LabelSelector, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { LabelSelector } from '../../../src/policy/policy.ts';
import { desiredRegistration, ownWebhook } from '../../../src/registration/desired.ts';
import { drift } from '../../../src/registration/drift.ts';
import { publishedSelector, SELECTOR_ANNOTATION } from '../../../src/registration/namespace-selector.ts';
import { aBundle, registrationOptions } from '../../support/builders/a-registration.ts';

/** Requirements that AKS adds to the namespaceSelector of each webhook. */
const ofPlatform = [
  { key: 'control-plane', operator: 'DoesNotExist' },
  { key: 'kubernetes.azure.com/managedby', operator: 'NotIn', values: ['aks'] },
];
const production: LabelSelector = { matchLabels: { env: 'prod' } };
const inProduction = { key: 'env', operator: 'In', values: ['prod'] };
const teams: LabelSelector = { matchExpressions: [{ key: 'team', operator: 'Exists' }] };

const desired = (namespaceSelector?: LabelSelector, live?: V1MutatingWebhookConfiguration) =>
  desiredRegistration(
    registrationOptions({ namespaceSelector }),
    { caBundle: aBundle('first'), matchConditions: [] },
    live,
  );

/**
 * Returns the registration as the API server stores it: as plain JSON, without undefined fields. `selector` replaces
 * the namespaceSelector.
 */
const stored = (registration: V1MutatingWebhookConfiguration, selector?: V1LabelSelector) => {
  const live = JSON.parse(JSON.stringify(registration)) as V1MutatingWebhookConfiguration;
  if (selector !== undefined) Object.assign(ownWebhook(live) ?? {}, { namespaceSelector: selector });
  return live;
};
const selectorOf = (registration: V1MutatingWebhookConfiguration) => ownWebhook(registration)?.namespaceSelector;

describe('the namespaceSelector of our entry', () => {
  test('if the policy has no namespaceSelector, the webhook entry has an empty namespaceSelector, and the registration has no annotations', () => {
    assert.deepEqual(selectorOf(desired()), {});
    assert.equal(desired().metadata?.annotations, undefined);
  });

  test('the entry has the namespaceSelector of the policy, and the registration records its requirements', () => {
    assert.deepEqual(selectorOf(desired(production)), { matchExpressions: [inProduction] });
    assert.deepEqual(publishedSelector(desired(production)), production);
  });

  test('a published namespaceSelector is no drift, even if another writer adds requirements to it', () => {
    const live = stored(desired(production));
    assert.deepEqual(drift(live, desired(production, live)), []);
    const added = stored(live, {
      matchLabels: { zone: 'a' },
      matchExpressions: [...ofPlatform, inProduction],
    });
    assert.deepEqual(drift(added, desired(production, added)), []);
  });

  test('if another writer removes a requirement of the policy from the namespaceSelector, the requirement is restored, and requirements of other writers are kept', () => {
    const live = stored(desired(production), { matchExpressions: ofPlatform });
    const wanted = desired(production, live);
    assert.deepEqual(drift(live, wanted), ['namespaceSelector']);
    assert.deepEqual(selectorOf(wanted), { matchExpressions: [...ofPlatform, inProduction] });
  });

  test('a changed policy removes only the recorded requirements of the former policy from the namespaceSelector', () => {
    const live = stored(desired(production), {
      matchLabels: { zone: 'a' },
      matchExpressions: [inProduction, ...ofPlatform],
    });
    const wanted = desired(teams, live);
    assert.deepEqual(drift(live, wanted), [`annotations.${SELECTOR_ANNOTATION}`, 'namespaceSelector']);
    assert.deepEqual(selectorOf(wanted), {
      matchLabels: { zone: 'a' },
      matchExpressions: [...ofPlatform, { key: 'team', operator: 'Exists' }],
    });
    const after = stored(wanted);
    assert.deepEqual(drift(after, desired(teams, after)), []);
  });

  test('if the policy no longer has a namespaceSelector, only the requirements of other writers stay in the webhook entry', () => {
    const live = stored(desired(production), { matchExpressions: [...ofPlatform, inProduction] });
    const wanted = desired(undefined, live);
    assert.deepEqual(selectorOf(wanted), { matchExpressions: ofPlatform });
    assert.equal(publishedSelector(wanted), undefined);
    const after = stored(wanted);
    assert.deepEqual(drift(after, desired(undefined, after)), []);
  });

  for (const text of ['', 'no JSON', '[]', '7', '{"matchExpressions":[{"key":1}]}', '{"matchLabels":{"a b":"c"}}']) {
    test(`a record of requirements with the text ${text || '""'} removes no requirement`, () => {
      const live = stored(desired(production), { matchExpressions: [...ofPlatform, inProduction] });
      live.metadata = { ...live.metadata, annotations: { [SELECTOR_ANNOTATION]: text } };
      const wanted = desired(teams, live);
      assert.deepEqual(selectorOf(wanted)?.matchExpressions?.slice(0, 3), [...ofPlatform, inProduction]);
      assert.deepEqual(publishedSelector(wanted), teams);
    });
  }
});
