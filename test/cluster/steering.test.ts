import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { PatchStrategy, setHeaderOptions, type V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { kubernetesVersion, servedPolicyVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { type LogLine, startDaemon, untilRestartRenews } from '../support/cluster/daemon.ts';
import { rawApi } from '../support/cluster/raw-api.ts';
import { eventually } from '../support/eventually.ts';

const version = await kubernetesVersion();
const served = servedPolicyVersion(version);
const skip =
  served === undefined && `Kubernetes ${minorOf(version)} does not serve MutatingAdmissionPolicy as v1beta1 or v1`;

const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

describe('changes of Secret and registration by other writers while a daemon runs', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.stop());
  beforeEach(() => cluster.forgetDaemon());

  async function start(t: TestContext) {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('ready');
    return daemon;
  }
  const patchSecret = (body: object) =>
    cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body }, merge);
  const annotate = (annotations: object) => patchSecret({ metadata: { annotations } });
  const bundleOf = (live: V1MutatingWebhookConfiguration | undefined) => live?.webhooks?.[0]?.clientConfig.caBundle;

  async function emptyBundle(fieldManager: string): Promise<void> {
    const body = await cluster.admission.readMutatingWebhookConfiguration({ name: REGISTRATION });
    delete body.webhooks?.[0]?.clientConfig.caBundle;
    await cluster.admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body, fieldManager });
  }

  /**
   * Replaces the CA bundle by another value as this field manager. Removing the field would leave no manager in
   * managedFields.
   */
  async function spoilBundle(fieldManager: string): Promise<void> {
    const body = await cluster.admission.readMutatingWebhookConfiguration({ name: REGISTRATION });
    Object.assign(body.webhooks?.[0]?.clientConfig ?? {}, { caBundle: SPOILT });
    await cluster.admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body, fieldManager });
  }
  const SPOILT = Buffer.from('spoilt').toString('base64');

  it('the annotation paused=true delays writes of Secret and registration until it is removed, and the log names the delayed writes', async (t) => {
    const daemon = await start(t);
    const healthy = bundleOf(await cluster.registration());
    await annotate({ 'terraform.job.kb.io/paused': 'true', 'terraform.job.kb.io/rotate': 'serving' });
    const kept = await daemon.line('secret write delayed');
    assert.deepEqual([kept.held, kept.action, kept.reason], ['paused', 'renew', 'asked']);
    await emptyBundle('admin');
    const left = await daemon.line('webhook configuration write delayed');
    assert.deepEqual(left.drift, ['clientConfig.caBundle']);
    assert.equal(bundleOf(await cluster.registration()), undefined);
    const { status, text } = await daemon.probe('/readyz?verbose');
    assert.equal(status, 503);
    assert.match(text, /\[-\]registration failed: the live CA bundle does not verify/);

    await annotate({ 'terraform.job.kb.io/paused': null });
    await eventually(async () => assert.equal(bundleOf(await cluster.registration()), healthy));
    await eventually(async () => {
      const annotations = (await cluster.secret())?.metadata?.annotations;
      assert.equal(annotations?.['terraform.job.kb.io/rotate'], undefined);
      assert.equal(annotations?.['terraform.job.kb.io/serving-issued-because'], 'asked');
    });
  });

  it('a repair that another writer keeps reverting is rate-limited, and log and Event name this writer', async (t) => {
    const daemon = await start(t);
    const isHealthy = (live: V1MutatingWebhookConfiguration | undefined) =>
      ![undefined, SPOILT].includes(bundleOf(live));
    const isRateLimited = () => daemon.lines.some(({ message }) => message === RATE_LIMITED);
    while (!isRateLimited()) {
      await eventually(async () => assert.ok(isRateLimited() || isHealthy(await cluster.registration())));
      // The daemon can write at the same time, which causes a conflict.
      if (!isRateLimited()) await spoilBundle('grumpy-controller').catch(() => {});
    }
    const { object, writer, waitMs } = await daemon.line(RATE_LIMITED);
    assert.deepEqual([object, writer], ['registration', 'grumpy-controller']);
    assert.ok(Number(waitMs) > 0);
    const isRepair = ({ message }: LogLine) => message === 'webhook configuration updated';
    const isDelayed = ({ message }: LogLine) => message === RATE_LIMITED;
    const repairs = daemon.lines.slice(0, daemon.lines.findIndex(isDelayed)).filter(isRepair).length;
    assert.ok(repairs >= 20, `${repairs} repairs before the first delay`);
    await eventually(async () => assert.ok(isHealthy(await cluster.registration()), 'it is repaired again'));
    await eventually(() => {
      const later = daemon.lines.slice(daemon.lines.findIndex(isDelayed));
      assert.equal(later.filter(isRepair).length, 1, 'once');
    });
    assert.match(
      (await daemon.probe('/metrics')).text,
      /terraform_daemon_conflicts_total\{object="registration"\} [1-9]/,
    );
    const name = `${SECRET}.repair-registration.conflict`;
    const event = await eventually(() => cluster.core.readNamespacedEvent({ namespace: NAMESPACE, name }));
    assert.deepEqual([event.type, event.reason], ['Warning', 'RepairConflict']);
    assert.match(event.message ?? '', /grumpy-controller/);
  });
  const RATE_LIMITED = 'repair rate-limited: another writer keeps reverting it';

  it('a Secret that loses the managed-by label is not overwritten, and the daemon still repairs the registration', async (t) => {
    const daemon = await start(t);
    await patchSecret({
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'another-manager' } },
      data: { 'tls.key': Buffer.from('theirs').toString('base64') },
    });
    const failure = await daemon.line('reconcile failed, will try again');
    assert.equal(failure.code, 'SECRET_NOT_OURS');
    assert.match(String(failure.error), /kubectl -n vela-system label secret terraform-job-webhook-cert/);
    await emptyBundle('admin');
    await eventually(async () => assert.ok(bundleOf(await cluster.registration()), 'the registration is repaired'));
    const secret = await cluster.secret();
    assert.equal(Buffer.from(secret?.data?.['tls.key'] ?? '', 'base64').toString(), 'theirs');
    // The daemon knows of its repair when it has read the response.
    await eventually(async () => assert.equal((await daemon.probe('/readyz')).status, 200));
  });

  it('a Secret whose managed-by label a policy changes after each write is reported at once, and renewed all the same', {
    skip,
  }, async (t) => {
    const path = `/apis/admissionregistration.k8s.io/${served}`;
    const api = await rawApi(cluster.kubeconfig);
    const name = 'platform';
    const policy = {
      metadata: { name },
      spec: {
        reinvocationPolicy: 'Never',
        matchConstraints: {
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['secrets'] },
          ],
        },
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: {
              expression: 'Object{metadata: Object.metadata{labels: {"app.kubernetes.io/managed-by": "platform"}}}',
            },
          },
        ],
      },
    };
    assert.equal((await api.call('POST', `${path}/mutatingadmissionpolicies`, policy)).status, 201);
    const binding = { metadata: { name }, spec: { policyName: name } };
    assert.equal((await api.call('POST', `${path}/mutatingadmissionpolicybindings`, binding)).status, 201);
    t.after(async () => {
      await api.call('DELETE', `${path}/mutatingadmissionpolicybindings/${name}`);
      await api.call('DELETE', `${path}/mutatingadmissionpolicies/${name}`);
      api.close();
    });
    await eventually(async () => {
      const body = { metadata: { name: 'probe' } };
      const { body: made } = await api.call('POST', '/api/v1/namespaces/default/secrets?dryRun=All', body);
      assert.equal(made.metadata.labels?.['app.kubernetes.io/managed-by'], 'platform', 'the policy is in force');
    });

    const first = await start(t);
    assert.equal((await first.line('managed-by label of the Secret differs')).found, 'platform');
    await first.stop();
    const before = await cluster.secret();
    await untilRestartRenews(before);
    const second = await start(t);
    const issued = await second.line('certificates issued');
    assert.deepEqual([issued.action, issued.reason], ['renew', 'restart']);
    const secret = await cluster.secret();
    assert.notEqual(secret?.data?.['tls.crt'], before?.data?.['tls.crt']);
    assert.equal(secret?.metadata?.labels?.['app.kubernetes.io/managed-by'], 'platform');
    await eventually(async () => {
      const { items } = await cluster.core.listNamespacedEvent({ namespace: NAMESPACE });
      assert.ok(items.some(({ reason }) => reason === 'LabelChanged'));
    });
    assert.equal((await second.probe('/readyz')).status, 200);
  });

  it('the daemon writes an Event with the reason for each step on its Secret', async (t) => {
    await start(t);
    await annotate({ 'terraform.job.kb.io/rotate': 'serving' });
    const events = await eventually(async () => {
      const { items } = await cluster.core.listNamespacedEvent({ namespace: NAMESPACE });
      const own = items.filter(({ involvedObject }) => involvedObject.name === SECRET);
      const written = own.map(({ type, action, reason }) => [type, action, reason].join(' '));
      for (const one of ['Normal replace SecretAbsent', 'Normal created NoRegistration', 'Normal renew RotationAsked'])
        assert.ok(written.includes(one), `no Event is ${one}: ${written}`);
      return own;
    });
    for (const { message, involvedObject } of events) {
      assert.equal(involvedObject.kind, 'Secret');
      assert.doesNotMatch(message ?? '', /PRIVATE KEY/);
    }
  });
});
