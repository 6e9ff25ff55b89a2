import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { documents, pickObjects } from '../../../../src/commands/inspect/exported-objects.ts';
import { toStored } from '../../../../src/stores/stored-secret.ts';

const secret = (namespace?: string, annotations: object = {}) => ({
  kind: 'Secret',
  metadata: { name: 'terraform-job-webhook-cert', annotations, ...(namespace === undefined ? {} : { namespace }) },
});
const registration = {
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: 'terraform-job-webhook-configuration' },
};
const others = [
  { kind: 'Secret', metadata: { name: 'other' } },
  { kind: 'ConfigMap', metadata: { name: 'terraform-job-webhook-cert' } },
];

describe('the objects of a file', () => {
  test('are those that the options name', () => {
    const found = pickObjects([...others, secret('a'), registration], {});
    assert.deepEqual([found.secret, found.registration], [secret('a'), registration]);
    const named = pickObjects([...others, secret('a'), registration], { 'secret-name': 'other' });
    assert.equal(named.secret?.metadata?.name, 'other');
    assert.equal(pickObjects([registration], { 'webhook-configuration-name': 'other' }).registration, undefined);
  });

  test('are found in lists, also in lists of lists', () => {
    const list = { kind: 'List', items: [{ kind: 'SecretList', items: [secret('a')] }, registration] };
    const found = pickObjects([null, list], {});
    assert.deepEqual([found.secret, found.registration], [secret('a'), registration]);
  });

  test('are of the namespace that is asked for, or of any', () => {
    assert.equal(pickObjects([secret('a'), secret('b')], { namespace: 'b' }).secret?.metadata?.namespace, 'b');
    assert.equal(pickObjects([secret('a')], { namespace: 'b' }).secret, undefined);
    assert.equal(pickObjects([secret('a')], { namespace: '' }).secret?.metadata?.namespace, 'a');
    assert.notEqual(pickObjects([secret()], { namespace: 'b' }).secret, undefined);
  });

  test('have text for annotations, whatever YAML has read', () => {
    const found = pickObjects([secret('a', { paused: true, since: new Date(0), text: 'x' })], {});
    assert.deepEqual(found.secret?.metadata?.annotations, {
      paused: 'true',
      since: '1970-01-01T00:00:00.000Z',
      text: 'x',
    });
  });

  test('are empty where they say nothing', () => {
    const { type, isImmutable, data, otherWriter } = toStored(secret() as never);
    assert.deepEqual([type, isImmutable, data, otherWriter], ['', false, {}, undefined]);
  });
});

test('the documents of a text are those with content', () => {
  assert.deepEqual(documents('---\na: 1\n---\n# nothing\n\n---\r\nb: "---"\n---\n'), ['\na: 1\n', '\nb: "---"\n']);
  assert.deepEqual(documents('{"a": 1}'), ['{"a": 1}']);
  assert.deepEqual(documents(''), []);
});

describe('an object that no API server would have let in', () => {
  const webhooks = (webhook: object) => ({
    ...registration,
    webhooks: [{ name: 'x', clientConfig: {}, ...webhook }],
  });
  const rows: [what: string, object: object, problem: string][] = [
    [
      'a condition without a name',
      webhooks({ matchConditions: [{ expression: 'true' }] }),
      'MutatingWebhookConfiguration.webhooks[0].matchConditions[0].name: found nothing; allowed is a text',
    ],
    [
      'a webhook that calls nobody',
      webhooks({ clientConfig: undefined }),
      'MutatingWebhookConfiguration.webhooks[0].clientConfig: found nothing; allowed is an object',
    ],
    [
      'labels that are a list',
      { ...secret(), metadata: { ...secret().metadata, labels: [1] } },
      'Secret.metadata.labels: found a list; allowed is an object',
    ],
    [
      'data that is no text',
      { ...secret(), data: { 'tls.crt': 5 } },
      'Secret.data["tls.crt"]: found 5; allowed is a text',
    ],
    [
      'webhooks that are no list',
      { ...registration, webhooks: 5 },
      'MutatingWebhookConfiguration.webhooks: found 5; allowed is a list',
    ],
    [
      'a webhook that is none',
      { ...registration, webhooks: [5] },
      'MutatingWebhookConfiguration.webhooks[0]: found 5; allowed is an object',
    ],
    [
      'null among the webhooks',
      { ...registration, webhooks: [null] },
      'MutatingWebhookConfiguration.webhooks[0]: found null; allowed is an object',
    ],
    [
      'conditions that are no list',
      webhooks({ matchConditions: {} }),
      'MutatingWebhookConfiguration.webhooks[0].matchConditions: found an empty object; allowed is a list',
    ],
    [
      'a selector that is none',
      webhooks({ objectSelector: { matchExpressions: [{ key: 1 }] } }),
      'MutatingWebhookConfiguration.webhooks[0].objectSelector.matchExpressions[0].key: found 1; allowed is a text',
    ],
  ];
  for (const [what, object, message] of rows) {
    test(`is refused, and the field named: ${what}`, () => {
      assert.throws(() => pickObjects([object], {}), { name: 'Error', message });
    });
  }

  test('may have null for whatever it does not say', () => {
    const { registration: found } = pickObjects([webhooks({ clientConfig: { url: null }, objectSelector: null })], {});
    assert.deepEqual(found?.webhooks, [{ name: 'x', clientConfig: {} }]);
  });
});
