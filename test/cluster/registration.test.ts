import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ApiException, type V1MutatingWebhook, type V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { kubeError } from '../../src/kube/errors.ts';
import { matchConditions as wantedConditions } from '../../src/policy/cel.ts';
import { terraformPolicy } from '../../src/policy/policy.ts';
import { type Cluster, REGISTRATION, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { rawApi } from '../support/cluster/raw-api.ts';
import { eventually } from '../support/eventually.ts';

const REGISTRATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const OWN = 'modify.terraform.job.kb.io';
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe('the webhook registration on a real API server', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.stop());
  beforeEach(() => cluster.forgetDaemon());

  /** Runs a daemon until it is ready. Returns its port and its log lines about the registration. */
  async function runOnce(port?: number, ...flags: string[]) {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags, ...(port ? { port } : {}) });
    await daemon.line('started watching jobs');
    // The pass that publishes the webhook spec. A daemon can be ready before it, if it gets the Lease late.
    await eventually(() => {
      const lines = daemon.lines.slice(daemon.lines.findIndex(({ message }) => message === 'started watching jobs'));
      assert.ok(
        lines.some(({ message, reasons }) => message === 'reconciled' && `${reasons}`.includes('lease-changed')),
      );
    });
    await daemon.line('ready');
    assert.equal(await daemon.stop(), 0);
    const written = daemon.lines.find(({ message }) => message.startsWith('webhook configuration '));
    return { port: daemon.port, message: written?.message, drift: written?.drift };
  }

  async function live(): Promise<V1MutatingWebhookConfiguration> {
    const registration = await cluster.registration();
    assert.ok(registration);
    return registration;
  }

  const own = ({ webhooks }: V1MutatingWebhookConfiguration): V1MutatingWebhook => {
    const webhook = webhooks?.find(({ name }) => name === OWN);
    assert.ok(webhook);
    return webhook;
  };

  const replace = (body: V1MutatingWebhookConfiguration) =>
    cluster.admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body });

  it('a daemon writes the registration at its first start, and not at its second', async () => {
    const { port, message } = await runOnce();
    assert.equal(message, 'webhook configuration created');
    const before = await live();
    assert.equal((await runOnce(port)).message, undefined);
    assert.equal((await live()).metadata?.resourceVersion, before.metadata?.resourceVersion);
  });

  it('the registration has the documented fields', async () => {
    const { port } = await runOnce();
    const { clientConfig, matchConditions, ...webhook } = own(await live());
    assert.deepEqual(JSON.parse(JSON.stringify(webhook)), {
      name: OWN,
      admissionReviewVersions: ['v1'],
      failurePolicy: 'Ignore',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      reinvocationPolicy: 'IfNeeded',
      rules: [
        {
          apiGroups: ['batch'],
          apiVersions: ['v1'],
          operations: ['CREATE', 'UPDATE'],
          resources: ['jobs'],
          scope: '*',
        },
      ],
      sideEffects: 'None',
      timeoutSeconds: 5,
    });
    assert.deepEqual(JSON.parse(JSON.stringify(clientConfig.service)), {
      name: 'terraform-job-webhook-service',
      namespace: 'vela-system',
      path: '/modify-terraform-job',
      port,
    });
    assert.deepEqual(plain(matchConditions), wantedConditions(terraformPolicy));
  });

  const edits: { name: string; field: string; edit: Partial<V1MutatingWebhook> }[] = [
    { name: 'the rules', field: 'rules', edit: { rules: [] } },
    { name: 'the failurePolicy', field: 'failurePolicy', edit: { failurePolicy: 'Fail' } },
    { name: 'the matchConditions', field: 'matchConditions', edit: { matchConditions: [] } },
    { name: 'timeoutSeconds', field: 'timeoutSeconds', edit: { timeoutSeconds: 29 } },
  ];
  for (const { name, field, edit } of edits) {
    it(`a restarted daemon repairs the registration after an edit of ${name}`, async () => {
      const { port } = await runOnce();
      const registration = await live();
      const before = own(registration)[field as keyof V1MutatingWebhook];
      await replace({ ...registration, webhooks: [{ ...own(registration), ...edit }] });

      const { drift } = await runOnce(port);
      assert.deepEqual(drift, [field]);
      assert.deepEqual(own(await live())[field as keyof V1MutatingWebhook], before);
    });
  }

  it('the daemon removes a match condition that another writer added, which an apply alone would not do', async () => {
    const { port } = await runOnce();
    const registration = await live();
    const { matchConditions = [] } = own(registration);
    const never = { name: 'never', expression: 'false' };
    await replace({
      ...registration,
      webhooks: [{ ...own(registration), matchConditions: [...matchConditions, never] }],
    });

    assert.deepEqual((await runOnce(port)).drift, ['matchConditions']);
    assert.deepEqual(plain(own(await live()).matchConditions), plain(matchConditions));
    assert.equal((await runOnce(port)).message, undefined);
  });

  it('the daemon repairs a registration with an empty or invalid CA bundle or without its entry', async () => {
    const { port } = await runOnce();
    const healthy = own(await live()).clientConfig.caBundle;
    for (const caBundle of [undefined, Buffer.from('garbage').toString('base64')]) {
      const registration = await live();
      const { caBundle: _caBundle, ...clientConfig } = own(registration).clientConfig;
      const broken = caBundle === undefined ? clientConfig : { ...clientConfig, caBundle };
      await replace({ ...registration, webhooks: [{ ...own(registration), clientConfig: broken }] });
      assert.deepEqual((await runOnce(port)).drift, ['clientConfig.caBundle']);
      assert.equal(own(await live()).clientConfig.caBundle, healthy);
    }
    await replace({ ...(await live()), webhooks: [] });
    assert.deepEqual((await runOnce(port)).drift, ['webhook']);
    assert.equal(own(await live()).clientConfig.caBundle, healthy);
  });

  it('the daemon keeps webhook entries and selectors of other writers in the registration', async () => {
    const { port } = await runOnce();
    const registration = await live();
    const foreign = { ...own(registration), name: 'other.example.com' };
    const namespaceSelector = { matchExpressions: [{ key: 'control-plane', operator: 'DoesNotExist' }] };
    await replace({ ...registration, webhooks: [foreign, { ...own(registration), namespaceSelector }] });

    assert.deepEqual((await runOnce(port, '--timeout-seconds=7')).drift, ['timeoutSeconds']);
    const after = await live();
    assert.deepEqual(after.webhooks?.map(({ name }) => name).sort(), [OWN, 'other.example.com']);
    assert.deepEqual(JSON.parse(JSON.stringify(own(after).namespaceSelector)), namespaceSelector);
    assert.equal(own(after).timeoutSeconds, 7);
  });

  it('if the API server does not know a field of the registration, the error names the oldest supported Kubernetes version', async (t) => {
    const api = await rawApi(cluster.kubeconfig);
    t.after(() => api.close());
    const webhook = { name: 'a.example.com', conditionsOfTomorrow: [] };
    const { status, body } = await api.call('APPLY', `${REGISTRATIONS}/tomorrow?fieldManager=test`, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      webhooks: [webhook],
    });
    const { code, message, retryable } = kubeError('write it', new ApiException(status, '', body, {}));
    assert.deepEqual([code, retryable], ['KUBE_REJECTED', false]);
    assert.match(
      message,
      /conditionsOfTomorrow: field not declared in schema \(this Kubernetes is too old: .* 1\.30 or later/,
    );
  });

  it('the daemon adopts a manually created registration of the same name', async () => {
    await cluster.admission.createMutatingWebhookConfiguration({
      body: {
        metadata: { name: REGISTRATION },
        webhooks: [
          {
            name: OWN,
            admissionReviewVersions: ['v1'],
            clientConfig: { url: 'https://old.example.com/modify', caBundle: Buffer.from('old').toString('base64') },
            sideEffects: 'None',
          },
        ],
      },
    });
    const { message } = await runOnce();
    assert.equal(message, 'webhook configuration updated');
    const { url, service } = own(await live()).clientConfig;
    assert.equal(url, undefined);
    assert.equal(service?.name, 'terraform-job-webhook-service');
  });
});
