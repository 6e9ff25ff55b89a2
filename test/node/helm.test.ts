import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { PatchStrategy, setHeaderOptions, type V1Job } from '@kubernetes/client-node';
import { CHART } from '../../tools/chart/chart.ts';
import { helm } from '../../tools/chart/helm.ts';
import { ensureTool } from '../../tools/control-plane/binaries.ts';
import { ensureTerraformImages } from '../../tools/image/images.ts';
import { NODE_IP } from '../../tools/node/layout.ts';
import { certificateFiles } from '../support/builders/certificate-files.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { DAEMON_USER } from '../support/cluster/cluster.ts';
import { blocksRunBy, projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';
import {
  createRestrictedNamespace,
  createTerraformJob,
  DEPLOYMENT,
  NAMESPACE,
  notRetriedNote,
  ROLLOUT_MS,
  type Stage,
  startStage,
  untilCapped,
  untilNoPods,
} from './support.ts';
import { startTicketSystem } from './tickets.ts';

const SECRET = 'secret/terraform-job-webhook-cert';
const REGISTRATION = 'mutatingwebhookconfiguration/terraform-job-webhook-configuration';
const LEASE = 'lease/terraform-job-webhook-backstop';
/** Time limit for the end of Pods and for the garbage collector. */
const GONE_MS = 90_000;

describe('the Helm chart on a real node, as docs/how-to/install-with-helm.md says', async () => {
  const [install, upgrade, uninstall, ...others] = await blocksRunBy('helm');
  let stage: Stage;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-helm-'));
    await symlink(await ensureTool('helm4'), join(folder, 'helm'));
    stage = await startStage(ensureTerraformImages);
    await createRestrictedNamespace(stage);
  });
  after(async () => {
    await stage?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (commands = '') =>
    promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], {
      cwd: projectFile('.'),
      env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder, KUBECONFIG: stage.kubeconfig },
    });
  const upgradeTo = (values: object) => {
    const args = ['upgrade', 'terraform-daemon', CHART, '--namespace', NAMESPACE, '--wait', '--timeout=2m'];
    return helm({ kubeconfig: stage.kubeconfig, values }, ...args);
  };
  const enforce = (level: string) =>
    stage.kubectl('label', 'namespace', NAMESPACE, `pod-security.kubernetes.io/enforce=${level}`, '--overwrite');
  const logs = () => stage.kubectl('-n', NAMESPACE, 'logs', '-l', 'app=terraform-daemon', '--tail=-1');
  /** Resolves when no replica caps Jobs. A replica that stops serves calls until it has drained. */
  const untilUncapped = async () => {
    const body = await recordedJob('create-terraform-apply', 'default');
    await eventually(
      async () => {
        const stored = await stage.batch.createNamespacedJob({ namespace: 'default', body, dryRun: 'All' });
        assert.equal(stored.spec?.backoffLimit, body.spec?.backoffLimit);
      },
      { withinMs: GONE_MS },
    );
  };
  const written = async () => {
    const secret = JSON.parse(await stage.kubectl('-n', NAMESPACE, 'get', SECRET, '-o', 'json'));
    const registration = JSON.parse(await stage.kubectl('get', REGISTRATION, '-o', 'json'));
    assert.ok(secret.data['tls.key'] && registration.webhooks[0].clientConfig.caBundle);
    return { secret, registration };
  };

  it('docs/how-to/install-with-helm.md has three blocks: install, upgrade, uninstall', () => {
    assert.match(install?.commands ?? '', /^helm install /);
    assert.match(upgrade?.commands ?? '', /^helm upgrade /);
    assert.match(uninstall?.commands ?? '', /^helm uninstall /);
    assert.deepEqual(others, []);
  });

  it('helm install --wait ends when the daemon is ready and caps Jobs', async (t) => {
    const start = performance.now();
    await run(install?.commands);
    t.diagnostic(`${Math.round(performance.now() - start)} ms for helm install --wait`);
    const ready = (await stage.pods()).map(({ status }) => status?.containerStatuses?.[0]?.ready);
    assert.deepEqual(ready, [true, true]);
    await untilCapped(stage);
  });

  it('helm test passes, and leaves no object', async () => {
    await run('helm test terraform-daemon --namespace vela-system');
    // The kubelet can need a moment to remove the Pod.
    await eventually(async () => {
      const left = await stage.kubectl('-n', NAMESPACE, 'get', 'pods,serviceaccounts,roles', '-o', 'name');
      assert.doesNotMatch(left, /terraform-daemon-test/);
    });
  });

  it('a helm upgrade that restarts no Pod does not change Secret and registration', async () => {
    const before = await written();
    await upgradeTo({ podDisruptionBudget: { enabled: false } });
    assert.deepEqual(await written(), before);
  });

  it('a helm upgrade that restarts all Pods keeps the CA', async () => {
    const before = await written();
    await run(upgrade?.commands);
    const { secret, registration } = await written();
    assert.deepEqual(registration, before.registration);
    for (const key of ['ca.crt', 'ca.key']) assert.equal(secret.data[key], before.secret.data[key]);
    await untilCapped(stage);
  });

  it('with Roles in the namespaces of the backstop and limitPatches, the daemon caps and reports Jobs there, and each failed apply files one ticket', async () => {
    const change = (name: string, spec: Partial<V1Job['spec']>) => (job: V1Job) =>
      ({ ...job, metadata: { ...job.metadata, name }, spec: { ...job.spec, ...spec } }) as V1Job;
    const namespaces = ['listed', 'unlisted'] as const;
    // No replica answers, so these Jobs are stored uncapped. They run no Pod.
    await stage.kubectl('-n', NAMESPACE, 'scale', DEPLOYMENT, '--replicas=0');
    await untilNoPods(stage);
    await untilUncapped();
    for (const namespace of namespaces)
      await createTerraformJob(stage, namespace, change('stored-apply', { suspend: true }));
    const limitIn = async (namespace: string) =>
      (await stage.batch.readNamespacedJob({ namespace, name: 'stored-apply' })).spec?.backoffLimit;
    for (const namespace of namespaces) assert.notEqual(await limitIn(namespace), 0);

    await upgradeTo({ options: { 'backstop-namespaces': 'listed' }, backstop: { limitPatches: true } });
    await untilCapped(stage);
    await eventually(async () => assert.equal(await limitIn('listed'), 0), { withinMs: ROLLOUT_MS });
    const resume = stage.batch.patchNamespacedJob(
      { namespace: 'listed', name: 'stored-apply', body: { spec: { suspend: false } }, dryRun: 'All' },
      setHeaderOptions('Impersonate-User', DAEMON_USER, setHeaderOptions('Content-Type', PatchStrategy.MergePatch)),
    );
    await assert.rejects(resume, /terraform-daemon-job-patch/);

    const tickets = await startTicketSystem(stage.node);
    const create = async (namespace: string) => {
      const body = change(`${namespace}-apply`, {})(await recordedJob('create-terraform-apply', namespace));
      return stage.batch.createNamespacedJob({ namespace, body });
    };
    const uids = await Promise.all(namespaces.map(async (namespace) => (await create(namespace)).metadata?.uid));
    await eventually(
      async () => {
        const { status } = await stage.batch.readNamespacedJob({ namespace: 'unlisted', name: 'unlisted-apply' });
        assert.ok(status?.conditions?.some(({ type }) => type === 'Failed'));
      },
      { withinMs: GONE_MS },
    );
    await notRetriedNote(stage, 'listed', uids[0]);
    for (const namespace of namespaces) assert.equal(await tickets.runs(`${namespace}-apply`), 1, namespace);
    assert.notEqual(await limitIn('unlisted'), 0);
    const { items } = await stage.core.listNamespacedEvent({ namespace: 'unlisted' });
    const reasons = items.map(({ reason }) => reason);
    assert.ok(!reasons.includes('Missed') && !reasons.includes('NotRetried'), `${reasons}`);
    const log = await logs();
    assert.match(log, /"jobs listed"/);
    assert.doesNotMatch(log, /KUBE_FORBIDDEN/);
  });

  it('with hostNetwork, a replica serves calls on the ports of its node, a rollout replaces it there, and a second replica waits for another node', async () => {
    await enforce('privileged');
    const options = { 'webhook-bind-port': 10260, 'metrics-bind-port': 10261 };
    const values = { hostNetwork: true, replicas: 1, options };
    await upgradeTo(values);
    await untilCapped(stage);
    const [first] = await stage.pods();
    assert.equal(first?.status?.podIP, NODE_IP);
    assert.match(await stage.node.inside('curl', '-s', `http://${NODE_IP}:10261/readyz`), /ok/);
    // The node has no port for a second replica, so a rollout that starts the new replica first would never end.
    await upgradeTo({ ...values, podAnnotations: { 'example.com/change': '1' } });
    const [second, ...others] = await stage.pods();
    assert.notEqual(second?.metadata?.uid, first?.metadata?.uid);
    assert.deepEqual(others, []);
    await untilCapped(stage);
    await stage.kubectl('-n', NAMESPACE, 'scale', DEPLOYMENT, '--replicas=2');
    await eventually(async () => {
      const conditions = (await stage.pods()).flatMap(({ status }) => status?.conditions ?? []);
      const waiting = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
      assert.match(waiting?.message ?? '', /didn't have free ports/);
    });
  });

  it('with clientCa, the endpoint refuses the calls of an API server without a client certificate', async () => {
    await enforce('restricted');
    const { 'ca.crt': ca } = await certificateFiles({ namespace: NAMESPACE });
    const body = { metadata: { name: 'client-ca' }, data: { 'ca.crt': ca } };
    await stage.core.createNamespacedConfigMap({ namespace: NAMESPACE, body });
    await upgradeTo({ clientCa: { configMapName: 'client-ca' } });
    await eventually(
      async () => {
        await untilUncapped();
        assert.match(await logs(), /client-refused/);
      },
      { withinMs: GONE_MS },
    );
  });

  it('with the strategy Recreate, a helm upgrade changes to the user-provided certificates of a mounted Secret', async () => {
    const files = await certificateFiles({ namespace: NAMESPACE });
    const body = { metadata: { name: 'mine' }, type: 'kubernetes.io/tls', stringData: files };
    await stage.core.createNamespacedSecret({ namespace: NAMESPACE, body });
    await upgradeTo({ strategy: { type: 'Recreate' }, ownCertificates: { secretName: 'mine' } });
    await untilCapped(stage);
    const { registration } = await written();
    const { caBundle } = registration.webhooks[0].clientConfig;
    assert.equal(Buffer.from(caBundle, 'base64').toString(), files['ca.crt']);
  });

  it('helm uninstall leaves no object of the install on a real cluster', async () => {
    await run(uninstall?.commands);
    const kinds =
      'pod,deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,networkpolicy,pdb';
    await eventually(
      async () => {
        const left = await Promise.all([
          stage.kubectl('get', kinds, '-A', '-l', 'app=terraform-daemon', '-o', 'name'),
          stage.kubectl('-n', NAMESPACE, 'get', SECRET, LEASE, '--ignore-not-found', '-o', 'name'),
          stage.kubectl('get', REGISTRATION, '--ignore-not-found', '-o', 'name'),
        ]);
        assert.deepEqual(left, ['', '', '']);
      },
      { withinMs: GONE_MS },
    );
  });
});
