import assert from 'node:assert/strict';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { type ControlPlane, startControlPlane } from '../../tools/control-plane/control-plane.ts';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { installRights } from '../../tools/manifests/kustomize.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, DAEMON_USER, NAMESPACE, SECRET, setUp } from '../support/cluster/cluster.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { eventually } from '../support/eventually.ts';

const QUOTAS = `/api/v1/namespaces/${NAMESPACE}/resourcequotas`;
const LEASE = `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases/terraform-job-webhook-backstop`;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';

describe('a start that cannot get its certificates', () => {
  let controlPlane: ControlPlane;
  let cluster: Cluster;
  let api: RawApi;
  before(async () => {
    controlPlane = await startControlPlane({ users: [{ name: DAEMON_USER }] });
    cluster = await setUp(controlPlane, await installRights({ backstop: true }));
    await cluster.createNamespace('team-a');
    api = await rawApi(cluster.kubeconfig);
  });
  after(async () => {
    api.close();
    await cluster.stop();
  });
  beforeEach(async () => {
    await cluster.forgetDaemon();
    await api.call('DELETE', LEASE);
  });

  async function start(t: TestContext, ...flags: string[]): Promise<Daemon> {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, probesPort: await freePort(), flags });
    t.after(() => daemon.stop('SIGKILL'));
    return daemon;
  }

  /**
   * Asserts that a daemon that cannot reconcile reports the cause in its log, `/readyz`, its metrics and an Event, and
   * that its backstop still caps a Job.
   */
  async function assertStuck(daemon: Daemon, { code, cause }: { readonly code: string; readonly cause: RegExp }) {
    const failure = await daemon.line('reconcile failed, will try again');
    assert.equal(failure.code, code);
    assert.match(String(failure.error), cause);
    assert.doesNotMatch(String(failure.error), /rbac/i);
    const { status, text: checks } = await daemon.probe('/readyz?verbose');
    assert.equal(status, 503);
    assert.match(checks, new RegExp(`^\\[-\\]reconcile failed: ${code}: .*${cause.source}.*$`, 'm'));
    assert.equal((await daemon.probe('/healthz')).status, 200);
    const { text: metrics } = await daemon.probe('/metrics');
    assert.match(metrics, new RegExp(`^terraform_daemon_reconcile_failures_total\\{code="${code}"\\} [1-9]`, 'm'));
    const event = `${SECRET}.reconcile.${code.toLowerCase().replace('_', '-')}`;
    // An Event of an earlier test can have the same name.
    await eventually(async () => {
      const { body } = await api.call('GET', `/api/v1/namespaces/${NAMESPACE}/events/${event}`);
      assert.match(String(body.message), cause);
    });
    await daemon.line('uncapped job capped');
  }

  async function assertInspected(cause: RegExp): Promise<void> {
    const { exitCode, stdout } = await spawnCommand(['inspect', `--kubeconfig=${cluster.kubeconfig}`, '-o', 'json']);
    const [problem] = JSON.parse(stdout).problems;
    assert.deepEqual([exitCode, problem.reason], [1, 'reconcile-failing']);
    assert.match(problem.message, cause);
  }

  /** Resolves when the API server refuses a new Secret in the namespace. */
  const untilRefused = (namespace: string) =>
    eventually(async () => {
      const body = { metadata: { name: 'probe' } };
      const { status } = await api.call('POST', `/api/v1/namespaces/${namespace}/secrets?dryRun=All`, body);
      assert.notEqual(status, 201);
    });

  async function missedJob(t: TestContext): Promise<void> {
    const job = await cluster.createJob(await recordedJob('create-terraform-apply', 'team-a'));
    const { name = '', namespace = '' } = job.metadata ?? {};
    t.after(() => cluster.batch.deleteNamespacedJob({ name, namespace, propagationPolicy: 'Background' }));
  }

  it('if a ResourceQuota allows no Secret, the daemon stays unready, and log, /readyz and an Event name the quota and not RBAC', async (t) => {
    await missedJob(t);
    const status = { hard: { 'count/secrets': '0' }, used: { 'count/secrets': '0' } };
    await api.call('POST', QUOTAS, { metadata: { name: 'none' }, spec: { hard: status.hard } });
    // The test writes the status of the quota, because no controller runs that would compute it.
    await api.call('PATCH', `${QUOTAS}/none/status`, { status });
    t.after(() => api.call('DELETE', `${QUOTAS}/none`));
    await untilRefused(NAMESPACE);
    const daemon = await start(t);
    await assertStuck(daemon, { code: 'KUBE_REJECTED', cause: /exceeded quota: none/ });
    await assertInspected(/exceeded quota: none/);
    await api.call('DELETE', `${QUOTAS}/none`);
    await daemon.line('ready');
    assert.deepEqual(await daemon.probe('/readyz'), { status: 200, text: 'ok\n' });
  });

  it('if a ValidatingAdmissionPolicy demands a label, the daemon stays unready, and log, /readyz and an Event have the message of this policy, until a replica sets the label', async (t) => {
    await missedJob(t);
    const policy = {
      metadata: { name: 'labels' },
      spec: {
        matchConstraints: {
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['secrets'] },
            { apiGroups: ['coordination.k8s.io'], apiVersions: ['v1'], operations: ['*'], resources: ['leases'] },
          ],
        },
        validations: [
          {
            expression: "has(object.metadata.labels) && 'team' in object.metadata.labels",
            message: 'label team needed',
          },
        ],
      },
    };
    await api.call('POST', `${ADMISSION}/validatingadmissionpolicies`, policy);
    const binding = { metadata: { name: 'labels' }, spec: { policyName: 'labels', validationActions: ['Deny'] } };
    await api.call('POST', `${ADMISSION}/validatingadmissionpolicybindings`, binding);
    t.after(async () => {
      await api.call('DELETE', `${ADMISSION}/validatingadmissionpolicybindings/labels`);
      await api.call('DELETE', `${ADMISSION}/validatingadmissionpolicies/labels`);
    });
    await untilRefused('team-a');
    const daemon = await start(t);
    await assertStuck(daemon, { code: 'KUBE_REJECTED', cause: /label team needed/ });
    await assertInspected(/label team needed/);

    const labelled = await start(t, '--object-labels=team=payments', '--object-annotations=example.com/owner=Team A');
    await labelled.line('ready');
    await daemon.line('ready');
    // Either replica can create the registration. The Lease holder, which can get the Lease after it is ready, labels it.
    await eventually(async () => {
      const made = [(await api.call('GET', LEASE)).body, await cluster.secret(), await cluster.registration()];
      for (const { metadata } of made) {
        assert.deepEqual(metadata.labels, { team: 'payments', 'app.kubernetes.io/managed-by': 'terraform-daemon' });
        assert.equal(metadata.annotations['example.com/owner'], 'Team A');
      }
    });
    assert.equal(
      labelled.lines.find(({ message }) => message.startsWith('lease unavailable')),
      undefined,
    );
  });

  it('if the API server cannot decrypt the Secret, the daemon stays unready, and log, /readyz and an Event name this cause', async (t) => {
    await missedJob(t);
    const key = `/registry/secrets/${NAMESPACE}/${SECRET}`;
    await etcd('put', { key, value: 'k8s:enc:aescbc:v1:gone:0123456789abcdef' });
    t.after(() => etcd('deleterange', { key }));
    const daemon = await start(t);
    await assertStuck(daemon, {
      code: 'KUBE_UNAVAILABLE',
      cause: /cannot read Secret .*encrypted data.*cannot decrypt the stored object/,
    });
    await etcd('deleterange', { key });
    await daemon.line('ready');
  });

  /**
   * Writes or deletes a key in etcd without the API server, to store a Secret that the API server cannot decrypt. A
   * restore without the encryption key leaves such Secrets.
   */
  async function etcd(call: 'put' | 'deleterange', fields: Readonly<Record<string, string>>): Promise<void> {
    const socketPath = join(dirname(dirname(controlPlane.caFile)), 'etcd.sock');
    const encoded = Object.entries(fields).map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    request({ socketPath, method: 'POST', path: `/v3/kv/${call}` }, (response) => {
      text(response).then(() => resolve(response.statusCode), reject);
    })
      .on('error', reject)
      .end(JSON.stringify(Object.fromEntries(encoded)));
    assert.equal(await promise, 200);
  }
});
