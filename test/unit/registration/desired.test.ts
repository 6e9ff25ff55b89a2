import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { desiredRegistration, ownWebhook, WEBHOOK_NAME } from '../../../src/registration/desired.ts';
import { aBundle, foreignEntry, registrationOptions } from '../../support/builders/a-registration.ts';

const caBundle = aBundle('first');
const condition = { name: 'not-deleting', expression: 'oldObject == null' };

describe('the desired registration', () => {
  test('the desired registration equals the expected object', () => {
    assert.deepEqual(desiredRegistration(registrationOptions(), { caBundle, matchConditions: [condition] }), {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: {
        name: 'terraform-job-webhook-configuration',
        labels: { 'app.kubernetes.io/managed-by': 'terraform-daemon' },
        resourceVersion: '1',
      },
      webhooks: [
        {
          name: 'modify.terraform.job.kb.io',
          admissionReviewVersions: ['v1'],
          clientConfig: {
            url: null,
            service: {
              name: 'terraform-job-webhook-service',
              namespace: 'vela-system',
              port: 443,
              path: '/modify-terraform-job',
            },
            caBundle: Buffer.from(caBundle).toString('base64'),
          },
          rules: [
            {
              apiGroups: ['batch'],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE'],
              resources: ['jobs'],
              scope: '*',
            },
          ],
          matchConditions: [{ name: 'not-deleting', expression: 'oldObject == null' }],
          failurePolicy: 'Ignore',
          matchPolicy: 'Equivalent',
          namespaceSelector: {},
          objectSelector: {},
          reinvocationPolicy: 'IfNeeded',
          sideEffects: 'None',
          timeoutSeconds: 5,
        },
      ],
    });
  });

  test('the desired registration has a URL instead of a Service if one is given', () => {
    const target = { url: 'https://127.0.0.1:8090/modify-terraform-job' };
    const [entry] = desiredRegistration(registrationOptions({ target }), { caBundle, matchConditions: [] }).webhooks;
    assert.deepEqual(entry.clientConfig, {
      ...target,
      service: null,
      caBundle: Buffer.from(caBundle).toString('base64'),
    });
  });

  test('the desired registration has name, failurePolicy and timeoutSeconds of the options', () => {
    const options = registrationOptions({ name: 'other', failurePolicy: 'Fail', timeoutSeconds: 17 });
    const { metadata, webhooks } = desiredRegistration(options, { caBundle, matchConditions: [] });
    assert.equal(metadata?.name, 'other');
    assert.deepEqual([webhooks[0].failurePolicy, webhooks[0].timeoutSeconds], ['Fail', 17]);
  });

  test('the desired registration has the resourceVersion that was read, so that a later state is not overwritten', () => {
    const live = { metadata: { resourceVersion: '42' } };
    assert.equal(
      desiredRegistration(registrationOptions(), { caBundle, matchConditions: [] }, live).metadata?.resourceVersion,
      '42',
    );
  });

  test('the desired registration keeps the selectors that another writer added to the live webhook entry of the daemon', () => {
    const namespaceSelector = { matchExpressions: [{ key: 'control-plane', operator: 'DoesNotExist' }] };
    const objectSelector = { matchLabels: { team: 'a' } };
    const [own] = desiredRegistration(registrationOptions(), { caBundle, matchConditions: [] }).webhooks;
    const live = {
      webhooks: [
        { ...foreignEntry(), namespaceSelector: { matchLabels: { not: 'ours' } } },
        { ...own, namespaceSelector, objectSelector },
      ],
    };
    const { webhooks } = desiredRegistration(registrationOptions(), { caBundle, matchConditions: [] }, live);
    assert.equal(webhooks.length, 1);
    assert.deepEqual(webhooks[0], { ...own, namespaceSelector, objectSelector });
  });

  test('the desired registration takes no labels, annotations, rules, matchConditions, timeoutSeconds or failurePolicy from the live registration', () => {
    const [own] = desiredRegistration(registrationOptions(), { caBundle, matchConditions: [] }).webhooks;
    const live = {
      metadata: { labels: { team: 'a' }, annotations: { note: 'x' }, uid: 'y' },
      webhooks: [{ ...own, timeoutSeconds: 30, failurePolicy: 'Fail', rules: [], matchConditions: [] }],
    };
    const fresh = desiredRegistration(registrationOptions(), { caBundle, matchConditions: [condition] });
    assert.deepEqual(
      desiredRegistration(registrationOptions(), { caBundle, matchConditions: [condition] }, live),
      fresh,
    );
  });
});

describe('the webhook entry of the daemon', () => {
  test('ownWebhook finds our entry by its name at any position', () => {
    const [own] = desiredRegistration(registrationOptions(), { caBundle, matchConditions: [] }).webhooks;
    assert.equal(ownWebhook({ webhooks: [foreignEntry(), own] })?.name, WEBHOOK_NAME);
  });

  test('ownWebhook returns undefined among entries of others and in an empty registration', () => {
    assert.equal(ownWebhook({ webhooks: [foreignEntry()] }), undefined);
    assert.equal(ownWebhook({}), undefined);
    assert.equal(ownWebhook(undefined), undefined);
  });
});
