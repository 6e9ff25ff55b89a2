import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CoordinationV1Api, type V1PodSpec } from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { installRights } from '../../tools/manifests/kustomize.ts';
import { type HaControlPlane, startHaControlPlane } from '../chaos/ha-control-plane.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, DAEMON_USER, NAMESPACE, SECRET, setUp } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { samplesOf } from '../support/cluster/exposition.ts';
import { createManyJobs } from '../support/cluster/many-jobs.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

const namespace = 'team-a';
const LEASE = 'terraform-job-webhook-backstop';
const SOON = { withinMs: promisedMs(60_000) };

describe('etcd is put back to an older copy while a daemon runs', () => {
  let plane: HaControlPlane;
  let cluster: Cluster;
  before(async () => {
    plane = await startHaControlPlane(1, [{ name: DAEMON_USER }]);
    const [server] = plane.servers;
    assert.ok(server);
    cluster = await setUp(server, await installRights({ backstop: true }));
    await cluster.createNamespace(namespace);
  });
  after(() => plane.stop());

  const copyOf = () => `${plane.etcdFolder}-copy`;
  async function copyEtcd(): Promise<void> {
    await rm(copyOf(), { recursive: true, force: true });
    await plane.etcd.restart('SIGKILL', () => cp(plane.etcdFolder, copyOf(), { recursive: true }));
    await eventually(() => cluster.core.readNamespace({ name: namespace }), SOON);
  }
  const putBack = () =>
    plane.etcd.restart('SIGKILL', async () => {
      await rm(plane.etcdFolder, { recursive: true });
      await cp(copyOf(), plane.etcdFolder, { recursive: true });
    });
  const restartApiServer = (whileDown?: () => Promise<unknown>) => plane.servers[0]?.restart('SIGTERM', whileDown);

  /**
   * Waits until the daemon has renewed the Lease twice: it has then read a resourceVersion of the history until now. It
   * renews the Lease every four seconds, and a restore to a copy from these seconds is not noticed.
   */
  async function renewedTwice(): Promise<void> {
    const leases = apiClient(cluster.kubeconfig, CoordinationV1Api);
    const versions = new Set<string | undefined>();
    await eventually(async () => {
      const { metadata } = await leases.readNamespacedLease({ namespace: NAMESPACE, name: LEASE });
      assert.ok(versions.add(metadata?.resourceVersion).size > 2);
    }, SOON);
  }

  /** Stores Jobs of other applications, so that the history of etcd grows. */
  const growHistory = (prefix: string, count = 300) =>
    createManyJobs(cluster.kubeconfig, {
      ...{ namespace, count, prefix },
      change: (job) => {
        const pod = { ...(job.spec?.template.spec as V1PodSpec), serviceAccountName: 'other' };
        return { ...job, spec: { template: { spec: pod } } };
      },
    });
  async function storeJob(name: string): Promise<void> {
    const job = await recordedJob('create-terraform-apply', namespace);
    await eventually(() => cluster.createJob({ ...job, metadata: { ...job.metadata, name } }), SOON);
  }
  const isCapped = (name: string) =>
    eventually(async () => {
      const { spec } = await cluster.batch.readNamespacedJob({ namespace, name });
      assert.equal(spec?.backoffLimit, 0, name);
    }, SOON);
  const isReported = (daemon: Daemon) =>
    eventually(async () => {
      const warnings = daemon.lines.filter(({ message }) => message === 'etcd was restored to an older revision');
      assert.equal(warnings.length, 1);
      assert.ok(Number(warnings[0]?.to) < Number(warnings[0]?.from));
      const { text } = await daemon.probe('/metrics');
      assert.equal(samplesOf(text).samples.get('terraform_daemon_etcd_restores_total'), 1);
    }, SOON);

  async function start(t: TestContext, flags: readonly string[] = [], servicePort?: number): Promise<Daemon> {
    const daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      flags,
      ...(servicePort && { servicePort }),
    });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('jobs listed');
    return daemon;
  }
  /** Starts a daemon that the API server cannot call. It caps the Jobs that an older copy has uncapped. */
  const startUncalled = async (t: TestContext) => start(t, [], await freePort());

  it('the API server is restarted: the Jobs of the copy and new Jobs are capped within a minute, and it is reported', async (t) => {
    await storeJob('in-copy');
    await copyEtcd();
    const daemon = await startUncalled(t);
    await isCapped('in-copy');
    await growHistory('before');
    await storeJob('lost');
    await isCapped('lost');
    await renewedTwice();

    await restartApiServer(putBack);
    await storeJob('new');
    for (const name of ['in-copy', 'new']) await isCapped(name);
    await isReported(daemon);
  });

  it('the API server is restarted late: it is reported at once, and Jobs are capped after the restart', async (t) => {
    await storeJob('in-late-copy');
    await copyEtcd();
    const daemon = await startUncalled(t);
    await isCapped('in-late-copy');
    await growHistory('late', 100);
    await storeJob('late-lost');
    await isCapped('late-lost');
    await renewedTwice();

    await putBack();
    await isReported(daemon);
    // The API server still shows the lost history in its lists and watches. Its clients cannot see this Job yet.
    await storeJob('late-new');
    // From here on the history is longer than the lost one, and the resumed watch would be accepted.
    await growHistory('late-more', 300);
    await restartApiServer();
    for (const name of ['in-late-copy', 'late-new']) await isCapped(name);
  });

  it('the daemon presents a certificate that the older CA bundle verifies, and the endpoint caps Jobs again', async (t) => {
    const daemon = await start(t, ['--settle-time=1s']);
    const isCalled = () =>
      eventually(async () => {
        const body = await recordedJob('create-terraform-apply', namespace);
        const { spec } = await cluster.batch.createNamespacedJob({ namespace, body, dryRun: 'All' });
        assert.equal(spec?.backoffLimit, 0);
      }, SOON);
    await isCalled();
    const older = (await cluster.secret())?.data?.['ca.crt'];
    await copyEtcd();
    await cluster.core.deleteNamespacedSecret({ namespace: NAMESPACE, name: SECRET });
    await eventually(async () => {
      const [webhook] = (await cluster.registration())?.webhooks ?? [];
      const newer = (await cluster.secret())?.data?.['ca.crt'];
      assert.ok(newer && newer !== older);
      assert.equal(webhook?.clientConfig.caBundle, newer, 'the older CA has left the bundle');
      assert.equal(
        Buffer.from(newer, 'base64')
          .toString()
          .match(/BEGIN CERTIFICATE/g)?.length,
        1,
      );
    }, SOON);
    await isCalled();
    await renewedTwice();

    await restartApiServer(putBack);
    await isCalled();
    const [webhook] = (await cluster.registration())?.webhooks ?? [];
    assert.deepEqual([(await cluster.secret())?.data?.['ca.crt'], webhook?.clientConfig.caBundle], [older, older]);
    await isReported(daemon);
  });
});
