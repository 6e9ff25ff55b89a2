import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type CoreV1Event,
  PatchStrategy,
  setHeaderOptions,
  type V1ContainerState,
  type V1ContainerStatus,
  type V1Job,
  type V1JobSpec,
  type V1PodStatus,
} from '@kubernetes/client-node';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const namespace = 'team-a';
const NODE = 'n1';
const DONE = { withinMs: 60_000 };

const exited = (exitCode: number, reason: string): V1ContainerState => ({
  terminated: { exitCode, reason, startedAt: new Date(), finishedAt: new Date(), message: 'password=hunter2' },
});
const waiting = (reason: string): V1ContainerState => ({ waiting: { reason, message: 'password=hunter2' } });
const completed = exited(0, 'Completed');
const container = (name: string, state: V1ContainerState): V1ContainerStatus => ({
  ...{ name, state, restartCount: 0, ready: false, image: 'x', imageID: 'x' },
});
/** Returns the status that a kubelet writes for the Pod of a Job of terraform-controller. */
const statusOf = (executor: V1ContainerState, init = completed, rest: V1PodStatus = {}): V1PodStatus => ({
  phase: 'Failed',
  initContainerStatuses: [
    container('prepare-input-terraform-configurations', completed),
    container('terraform-init', init),
  ],
  containerStatuses: [container('terraform-executor', executor)],
  ...rest,
});
const killed = exited(137, 'Error');
const byKubelet = (reason: string, message: string): V1PodStatus => ({
  ...{ reason, message },
  conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }],
});

const FAILED = 'This Job failed, and the policy allows no retry.';
const EVICTION = 'The node was low on resource: ephemeral-storage. ';
const SHUTDOWN = 'Pod was terminated in response to imminent node shutdown.';
const LATE = 'Pod was active on the node longer than the specified deadline';
const NO_CPU = "Node didn't have enough resource: cpu, requested: 900000, used: 0, capacity: 2000";

const containerLog = (pod: string, name = 'terraform-executor') =>
  `Its log: \`kubectl -n team-a logs ${pod} -c ${name}\`.`;
const all = '--all-containers --ignore-errors';

/** For each ending that the status of a Pod can show: the status, and the Event without its beginning and its end. */
const endings: Readonly<Record<string, readonly [status: V1PodStatus, text: (pod: string) => string]>> = {
  exited: [
    statusOf(exited(1, 'Error')),
    (pod) => `Container terraform-executor of Pod ${pod} exited with code 1 (Error). ${containerLog(pod)}`,
  ],
  'out-of-memory': [
    statusOf(exited(137, 'OOMKilled')),
    (pod) =>
      `Container terraform-executor of Pod ${pod} ran out of memory and exited with code 137 (OOMKilled). ${containerLog(pod)}`,
  ],
  'init-failed': [
    statusOf(waiting('PodInitializing'), exited(1, 'Error')),
    (pod) =>
      `Init container terraform-init of Pod ${pod} exited with code 1 (Error), so no main container started. ` +
      containerLog(pod, 'terraform-init'),
  ],
  evicted: [
    statusOf(killed, completed, byKubelet('Evicted', EVICTION)),
    (pod) =>
      `The kubelet evicted Pod ${pod} (Evicted): The node was low on resource: ephemeral-storage. ` +
      'Its log is deleted with its containers.',
  ],
  'node-lost': [
    statusOf(killed, completed, byKubelet('Terminated', SHUTDOWN)),
    (pod) =>
      `The node of Pod ${pod} shut down (Terminated). Its log, if it still exists: \`kubectl -n team-a logs ${pod} ${all}\`.`,
  ],
  deadline: [
    statusOf(killed, completed, { reason: 'DeadlineExceeded', message: LATE }),
    (pod) =>
      `Pod ${pod} was active for longer than its activeDeadlineSeconds. Its log: \`kubectl -n team-a logs ${pod} ${all}\`.`,
  ],
  'never-started': [
    statusOf(exited(128, 'StartError')),
    (pod) => `Container terraform-executor of Pod ${pod} did not start (StartError).`,
  ],
  refused: [
    { phase: 'Failed', reason: 'OutOfcpu', message: `Pod was rejected: ${NO_CPU}` },
    (pod) => `The kubelet refused Pod ${pod} (OutOfcpu): ${NO_CPU}. No container started.`,
  ],
  unknown: [
    { phase: 'Failed' },
    () =>
      'How its Pod ended is not known. ' +
      `Its log, if it still exists: \`kubectl -n team-a logs job/unknown-apply ${all}\`.`,
  ],
};

describe('the Event on a failed Job, with the real Job controller and the Pod statuses of a kubelet', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    await cluster.createNamespace(namespace);
    const body = { metadata: { name: 'tf-executor-service-account' } };
    await cluster.core.createNamespacedServiceAccount({ namespace, body });
    await cluster.core.createNode({ body: { metadata: { name: NODE } } });
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('jobs listed');
    // The API server sees a new registration with a delay.
    await eventually(async () => {
      const job = await recordedJob('create-terraform-apply', namespace);
      const stored = await cluster.batch.createNamespacedJob({ namespace, body: job, dryRun: 'All' });
      assert.equal(stored.spec?.template.spec?.restartPolicy, 'Never');
    });
  });
  after(async () => {
    await daemon?.stop();
    await cluster?.stop();
  });

  /** Creates the Job of a Configuration, and returns the name of its Pod, which is on a node without a kubelet. */
  async function start(configuration: string, change: Partial<V1JobSpec> = {}): Promise<string> {
    const recorded = JSON.stringify(await recordedJob('create-terraform-apply', namespace));
    const job: V1Job = JSON.parse(recorded.replaceAll('oss-bucket', configuration));
    const spec = { ...job.spec, ...change } as V1JobSpec;
    await cluster.createJob({ ...job, spec });
    const labelSelector = `job-name=${configuration}-apply`;
    const pod = await eventually(async () => {
      const [found] = (await cluster.core.listNamespacedPod({ namespace, labelSelector })).items;
      assert.ok(found?.metadata?.name);
      return found.metadata.name;
    }, DONE);
    const body = { metadata: { name: pod }, target: { apiVersion: 'v1', kind: 'Node', name: NODE } };
    await cluster.core.createNamespacedPodBinding({ namespace, name: pod, body });
    return pod;
  }
  /** Ends a Job by its deadline. A deadline from the start could pass before the test has set the status of the Pod. */
  const setDeadline = (name: string) =>
    cluster.batch.patchNamespacedJob(
      { namespace, name, body: { spec: { activeDeadlineSeconds: 1 } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  const setStatus = (name: string, status: V1PodStatus) =>
    cluster.core.patchNamespacedPodStatus(
      { namespace, name, body: { status } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  /** Waits until the backstop has read the Pods of a Job that the Job controller is ending. */
  const seen = (job: string) =>
    eventually(() => {
      const line = daemon.lines.find(({ message, name }) => message === 'job failing, pods read' && name === job);
      assert.ok(line);
    }, DONE);
  /** Removes a Pod as the kubelet does after its containers have ended. */
  const remove = (name: string) =>
    cluster.core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 }).catch(() => {});
  const eventOf = (job: string): Promise<CoreV1Event> =>
    eventually(async () => {
      const fieldSelector = `reason=NotRetried,involvedObject.name=${job}`;
      const [event] = (await cluster.core.listNamespacedEvent({ namespace, fieldSelector })).items;
      assert.ok(event);
      return event;
    }, DONE);
  const retry = (configuration: string) =>
    `To run it again after fixing the cause: \`kubectl -n team-a delete job ${configuration}-apply && ` +
    `kubectl -n team-a annotate --overwrite configurations.terraform.core.oam.dev ${configuration} terraform.job.kb.io/retried-at=$(date +%s)\`.`;

  for (const [kind, [status, text]] of Object.entries(endings)) {
    it(`the Event of a Job with the ending ${kind} says what the status of its Pod shows`, async () => {
      const pod = await start(kind);
      await setStatus(pod, status);
      const { message } = await eventOf(`${kind}-apply`);
      assert.equal(message, `${FAILED} ${text(pod)} ${retry(kind)}`);
      // The daemon logs the line after the API server has stored the Event.
      await eventually(() => {
        const lines = daemon.lines.filter(({ message }) => message === 'job failed, not retried by policy');
        assert.equal(lines.find(({ name }) => name === `${kind}-apply`)?.ending, kind);
      });
    });
  }

  it('the Event of a Job whose Pod was evicted through the API says so after the Pod was deleted', async () => {
    const pod = await start('drained');
    await setStatus(pod, statusOf({ running: {} }, completed, { phase: 'Running' }));
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } };
    await cluster.core.createNamespacedPodEviction({ namespace, name: pod, body });
    await seen('drained-apply');
    await remove(pod);
    assert.equal(
      (await eventOf('drained-apply')).message,
      `${FAILED} Pod ${pod} was deleted by an eviction, as kubectl drain requests it (EvictionByEvictionAPI). ` +
        `Any log is deleted with the Pod. ${retry('drained')}`,
    );
  });

  it('the Event of a Job whose Pod was deleted while it ran says so', async () => {
    const pod = await start('deleted');
    await setStatus(pod, statusOf({ running: {} }, completed, { phase: 'Running' }));
    await cluster.core.deleteNamespacedPod({ namespace, name: pod });
    await seen('deleted-apply');
    await remove(pod);
    assert.equal(
      (await eventOf('deleted-apply')).message,
      `${FAILED} Pod ${pod} was deleted before it finished. Any log is deleted with the Pod. ${retry('deleted')}`,
    );
  });

  it('the Event of a Job whose Pod could not pull its image before the deadline names the container and the reason', async () => {
    const pod = await start('no-image');
    await setStatus(pod, statusOf(waiting('ImagePullBackOff'), completed, { phase: 'Pending' }));
    await setDeadline('no-image-apply');
    await seen('no-image-apply');
    await remove(pod);
    assert.equal(
      (await eventOf('no-image-apply')).message,
      'This Job failed with DeadlineExceeded and is not retried. ' +
        `Container terraform-executor of Pod ${pod} did not start (ImagePullBackOff). ${retry('no-image')}`,
    );
  });

  it('the Event of a Job that ran until its deadline names the deadline', async () => {
    const pod = await start('late');
    await setDeadline('late-apply');
    await seen('late-apply');
    await remove(pod);
    assert.equal(
      (await eventOf('late-apply')).message,
      'This Job failed with DeadlineExceeded and is not retried. The Job was active for longer than its ' +
        `activeDeadlineSeconds. Any log is deleted with the Pod. ${retry('late')}`,
    );
  });

  it('the Event of a Job whose Pod was removed before the daemon started says that the Job has no Pod', async () => {
    await daemon.stop();
    const pod = await start('gone', { backoffLimit: 0, template: await neverAgain() });
    await cluster.core.deleteNamespacedPod({ namespace, name: pod });
    await remove(pod);
    await eventually(async () => {
      const { status } = await cluster.batch.readNamespacedJob({ namespace, name: 'gone-apply' });
      assert.ok(status?.conditions?.some(({ type }) => type === 'Failed'));
    }, DONE);
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    assert.equal(
      (await eventOf('gone-apply')).message,
      `${FAILED} The Job has no Pod any more, so how it ended is not known. Any log is deleted with the Pod. ${retry('gone')}`,
    );
  });

  /** Returns the Pod template of the Job `gone-apply`, with the restartPolicy of the policy. */
  async function neverAgain(): Promise<V1JobSpec['template']> {
    const recorded = JSON.stringify(await recordedJob('create-terraform-apply', namespace));
    const { spec }: V1Job = JSON.parse(recorded.replaceAll('oss-bucket', 'gone'));
    assert.ok(spec?.template.spec);
    return { ...spec.template, spec: { ...spec.template.spec, restartPolicy: 'Never' } };
  }
});
