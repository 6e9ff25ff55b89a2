import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { V1Job } from '@kubernetes/client-node';
import { connect } from '../../src/kube/client.ts';
import { createConfigurationStore } from '../../src/stores/configuration-store.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { createProcessGroup, type ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { readValidKubeconfig } from '../support/builders/a-kubeconfig.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, DAEMON_USER, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { samplesOf } from '../support/cluster/exposition.ts';
import { createConfiguration, startController } from '../support/cluster/terraform-controller.ts';
import { eventually } from '../support/eventually.ts';

const DONE_MS = 60_000;
const UNREADABLE = 'cannot read configurations, failed applies are reported on their jobs only';
const ROLE = 'terraform-daemon-configurations';

describe('a failed Job of terraform-controller, reported by the daemon', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let controllers: ProcessGroup;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    controllers = await createProcessGroup();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('jobs listed');
    for (const name of ['recorded', 'team-a', 'team-b', 'team-c', 'team-d', 'jobs'])
      await cluster.createNamespace(name);
  });
  after(async () => {
    await controllers?.stop();
    await daemon?.stop();
    await cluster?.stop();
  });

  const admin = (...args: readonly string[]) => kubectl(cluster.kubeconfig, args);

  async function restartDaemon(): Promise<void> {
    await daemon.stop();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('jobs listed');
  }
  /** Resolves when the number of failed applies is the given one, by namespace. */
  const untilCounted = (expected: Readonly<Record<string, number>>) =>
    eventually(
      async () => {
        const { samples } = samplesOf((await daemon.probe('/metrics')).text);
        const found = [...samples].flatMap(([name, value]) => {
          const [, namespace] = /^terraform_daemon_failed_applies\{configuration_namespace="(.*)"\}$/.exec(name) ?? [];
          return namespace === undefined ? [] : [[namespace, value]];
        });
        assert.deepEqual(Object.fromEntries(found), expected);
      },
      { withinMs: DONE_MS },
    );
  const eventsOn = async (namespace: string) => {
    const fieldSelector = 'involvedObject.kind=Configuration';
    const { items } = await cluster.core.listNamespacedEvent({ namespace, fieldSelector });
    return items.filter(({ source }) => source?.component === 'terraform-daemon');
  };
  /** Resolves with the only Event on a Configuration of the namespace. */
  const untilReported = (namespace: string) =>
    eventually(
      async () => {
        const [event, ...others] = await eventsOn(namespace);
        assert.ok(event);
        assert.deepEqual(others, []);
        return event;
      },
      { withinMs: DONE_MS },
    );
  /** Deletes the Events of a namespace, as etcd does when they expire. */
  async function expireEvents(namespace: string): Promise<void> {
    await cluster.core.deleteCollectionNamespacedEvent({ namespace });
    assert.deepEqual(await eventsOn(namespace), []);
  }
  const untilCapped = (namespace: string, name: string): Promise<V1Job> =>
    eventually(
      async () => {
        const job = await cluster.batch.readNamespacedJob({ namespace, name });
        assert.equal(job.spec?.backoffLimit, 0);
        return job;
      },
      { withinMs: DONE_MS },
    );
  /** Writes the status that a kubelet writes after the container of a Job has exited with 1, until the Job has failed. */
  async function fail({ metadata }: V1Job): Promise<void> {
    const { namespace = '', name = '', uid } = metadata ?? {};
    const labelSelector = `batch.kubernetes.io/controller-uid=${uid}`;
    const terminated = { exitCode: 1, reason: 'Error', finishedAt: new Date() };
    const container = { name: 'terraform-executor', image: 'a', imageID: 'a', ready: false, restartCount: 0 };
    const status = { phase: 'Failed', containerStatuses: [{ ...container, state: { terminated } }] };
    await eventually(
      async () => {
        const [pod] = (await cluster.core.listNamespacedPod({ namespace, labelSelector })).items;
        assert.ok(pod);
        const body = { ...pod, status };
        await cluster.core.replaceNamespacedPodStatus({ namespace, name: pod.metadata?.name ?? '', body });
        const { status: now } = await cluster.batch.readNamespacedJob({ namespace, name });
        assert.ok(now?.conditions?.some(({ type }) => type === 'Failed'));
      },
      { withinMs: DONE_MS },
    );
  }

  it('without the kind Configuration in the cluster, there is no Configuration, and a failed Job does not count', async () => {
    const [namespace, name] = ['recorded', 'tf-executor-service-account'];
    await cluster.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    await cluster.createJob(await recordedJob('create-terraform-apply', namespace));
    await fail(await untilCapped(namespace, 'oss-bucket-apply'));
    await daemon.line('job failed, not retried by policy');
    const { callJson } = connect(readValidKubeconfig(cluster.daemonKubeconfig), new AbortController().signal);
    const store = createConfigurationStore(callJson);
    assert.equal(await store.read({ namespace, name: 'oss-bucket' }), undefined);
    assert.equal(await store.read({ name: 'oss-bucket', uid: 'c-1' }), undefined);
    await untilCounted({});
    await admin('-n', namespace, 'delete', 'job', 'oss-bucket-apply');
    assert.ok(!daemon.lines.some(({ message }) => message === UNREADABLE));
  });

  it('kubectl describe configuration shows the Event of a failed apply, and the metric counts it until its Job is deleted', async () => {
    await startController(cluster, controllers);
    for (const namespace of ['team-a', 'team-b']) await createConfiguration(cluster, namespace, 'bucket');
    await untilCapped('team-b', 'bucket-apply');
    await fail(await untilCapped('team-a', 'bucket-apply'));
    await untilReported('team-a');
    const shown = await admin('-n', 'team-a', 'describe', 'configuration', 'bucket');
    assert.match(
      shown,
      /Warning +ApplyFailed .*terraform-daemon +The Job of terraform apply failed and is not retried by policy\. /,
    );
    assert.match(shown, /Container terraform-executor of Pod bucket-apply-\w+ exited with code 1 \(Error\)\./);
    assert.match(
      shown,
      /`kubectl -n team-a delete job bucket-apply && kubectl -n team-a annotate --overwrite configurations.terraform.core.oam.dev bucket /,
    );
    await untilCounted({ 'team-a': 1 });
    assert.deepEqual(await eventsOn('team-b'), []);

    await admin('-n', 'team-a', 'delete', 'job', 'bucket-apply');
    await untilCounted({});
  });

  it('an Event on a Configuration that has expired is written again with the same name by a restarted daemon', async () => {
    await expireEvents('team-a');
    await fail(await untilCapped('team-a', 'bucket-apply'));
    const { metadata: first } = await untilReported('team-a');
    await expireEvents('team-a');
    await restartDaemon();
    const { metadata: again } = await untilReported('team-a');
    assert.equal(again?.name, first?.name);
    assert.notEqual(again?.uid, first?.uid);
    await untilCounted({ 'team-a': 1 });
  });

  it('without the right to read Configurations, a failed Job counts in its own namespace, and nothing is written on its Configuration', async () => {
    await admin('delete', 'clusterrolebinding', ROLE);
    // The API server sees the deletion with a delay.
    const canRead = ['auth', 'can-i', 'get', 'configurations.terraform.core.oam.dev', '-n', 'team-a'];
    await eventually(() => assert.rejects(admin(...canRead, `--as=${DAEMON_USER}`)));
    await expireEvents('team-a');
    await restartDaemon();
    const warning = await daemon.line(UNREADABLE);
    assert.equal(warning.code, 'KUBE_FORBIDDEN');
    assert.match(String(warning.error), /rbac-configurations\.yaml/);
    await untilCounted({ 'team-a': 1 });
    assert.deepEqual(await eventsOn('team-a'), []);
  });

  it('with --controller-namespace the Event is on the Configuration of the uid, and not on one of the same name', async () => {
    await admin('create', 'clusterrolebinding', ROLE, `--clusterrole=${ROLE}`, `--user=${DAEMON_USER}`);
    await controllers.stop();
    controllers = await createProcessGroup();
    await startController(cluster, controllers, { controllerNamespace: 'jobs' });
    const [uid, namesake] = [
      await createConfiguration(cluster, 'team-c', 'bucket'),
      await createConfiguration(cluster, 'team-d', 'bucket'),
    ];
    await untilCapped('jobs', `${namesake}-apply`);
    await fail(await untilCapped('jobs', `${uid}-apply`));
    const { involvedObject, message } = await untilReported('team-c');
    assert.deepEqual([involvedObject.namespace, involvedObject.name, involvedObject.uid], ['team-c', 'bucket', uid]);
    assert.match(
      message ?? '',
      / exited with code 1\. Its log: /,
      'without the reason, which is a text of another namespace',
    );
    assert.match(message ?? '', new RegExp(`-n jobs delete job ${uid}-apply && kubectl -n team-c annotate `));
    assert.deepEqual(await eventsOn('team-d'), []);
    assert.match(await admin('-n', 'team-c', 'describe', 'configuration', 'bucket'), /Warning +ApplyFailed /);
    await untilCounted({ 'team-a': 1, 'team-c': 1 });
  });
});
