import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import {
  PatchStrategy,
  RbacAuthorizationV1Api,
  setHeaderOptions,
  type V1ContainerStatus,
  type V1JobSpec,
  type V1PodSpec,
  type V1PodStatus,
} from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const namespace = 'team-a';
const sidecar = { name: 'log-forwarder', image: 'example.invalid/forwarder:1', restartPolicy: 'Always' };
/** The Job controller creates the second Pod 10 s after the first failure. */
const RETRY = { withinMs: 120_000 };

type State = Partial<Pick<V1ContainerStatus, 'restartCount' | 'state'>>;

/** Returns the status that a kubelet writes for a container. */
const container = (name: string, { restartCount = 0, state = { running: {} } }: State = {}): V1ContainerStatus => ({
  ...{ name, restartCount, state },
  ...{ ready: state.running !== undefined, image: 'x', imageID: 'x' },
});

/** Returns the status of a running Pod. `isReady` is a mark that the Job controller copies into the Job's status. */
const running = (executor: State = {}, isReady = false): V1PodStatus => ({
  phase: 'Running',
  containerStatuses: [container('terraform-executor', executor)],
  conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
});

const crashed = { waiting: { reason: 'CrashLoopBackOff' } };

describe('a Job that was stored uncapped and has a run in progress, with the real Job controller', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    await cluster.createNamespace(namespace);
    const body = { metadata: { name: 'tf-executor-service-account' } };
    await cluster.core.createNamespacedServiceAccount({ namespace, body });
  });
  after(() => cluster.stop());

  /** Starts a daemon that the API server cannot call. */
  async function start(t: TestContext, options: Partial<DaemonOptions> = {}): Promise<Daemon> {
    const servicePort = await freePort();
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, servicePort, ...options });
    t.after(() => daemon.stop('SIGKILL'));
    return daemon;
  }
  /** Stores a Job of terraform-controller. `change` returns the changes of its Pod spec. */
  async function store(
    name: string,
    change: (pod: V1PodSpec) => Partial<V1PodSpec> = () => ({}),
    annotations: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const job = await recordedJob('create-terraform-apply', namespace);
    const { template, ...spec } = job.spec as V1JobSpec;
    const pod = { ...template.spec, ...change(template.spec as V1PodSpec) } as V1PodSpec;
    const metadata = { ...job.metadata, name, annotations: { ...job.metadata?.annotations, ...annotations } };
    await cluster.createJob({ ...job, metadata, spec: { ...spec, template: { ...template, spec: pod } } });
  }
  const read = (name: string) => cluster.batch.readNamespacedJob({ namespace, name });
  const podsOf = async (name: string) =>
    (await cluster.core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` })).items;
  /** Waits for the Pod of the run with this number, counted from 1, and for the Job controller to record it. */
  const runOf = (name: string, nth = 1) =>
    eventually(async () => {
      const pods = (await podsOf(name)).filter(({ status }) => status?.phase !== 'Failed');
      const { active, failed = 0 } = (await read(name)).status ?? {};
      assert.deepEqual([pods.length, active, failed], [1, 1, nth - 1]);
      return pods[0]?.metadata?.name ?? '';
    }, RETRY);
  const setStatus = (pod: string, status: V1PodStatus) =>
    cluster.core.patchNamespacedPodStatus(
      { namespace, name: pod, body: { status } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  /** Waits until the Job controller has processed the last status of the Pod, and returns the Job. */
  const processed = (name: string) =>
    eventually(async () => {
      const job = await read(name);
      const { ready, conditions = [] } = job.status ?? {};
      assert.ok(ready === 1 || conditions.length > 0);
      return job;
    });
  const ended = (name: string) =>
    eventually(async () => {
      const { conditions = [], ...status } = (await read(name)).status ?? {};
      const end = conditions.find(({ type }) => type === 'Failed' || type === 'Complete');
      assert.equal(end?.status, 'True');
      return { type: end.type, reason: end.reason, status };
    });
  const noteOf = (name: string) =>
    eventually(async () => {
      const fieldSelector = `reason=Missed,involvedObject.name=${name}`;
      const [event] = (await cluster.core.listNamespacedEvent({ namespace, fieldSelector })).items;
      assert.ok(event?.message);
      return event.message;
    });
  const capped = (daemon: Daemon, name: string) =>
    eventually(() => {
      const line = daemon.lines.find((line) => line.message === 'uncapped job capped' && line.name === name);
      assert.ok(line);
      return [line.to, line.reason];
    });

  it('a sidecar that restarts does not end the run of a Job that the backstop has capped', async (t) => {
    const name = 'sidecar-apply';
    await store(name, ({ initContainers = [] }) => ({ initContainers: [...initContainers, sidecar] }));
    const pod = await runOf(name);
    const status = (restartCount: number, isReady: boolean) => ({
      ...running({}, isReady),
      initContainerStatuses: [container(sidecar.name, { restartCount })],
    });
    await setStatus(pod, status(0, false));
    const daemon = await start(t);
    assert.deepEqual(await capped(daemon, name), [6, 'shared-restarts']);
    await setStatus(pod, status(1, true));
    assert.deepEqual((await processed(name)).status?.conditions ?? [], []);
    await setStatus(pod, { phase: 'Succeeded' });
    assert.equal((await ended(name)).type, 'Complete');
    assert.match(await noteOf(name), /from 2147483647 to 6\..*restarts of all containers/);
  });

  it('the second run of a Job with OnFailure finishes after the cap, and its next failure ends the Job', async (t) => {
    const names = ['retried-apply', 'retried-twice-apply'] as const;
    for (const name of names) await store(name);
    const pods = await Promise.all(names.map((name) => runOf(name)));
    for (const pod of pods) await setStatus(pod, running({ restartCount: 1 }));
    const daemon = await start(t);
    for (const name of names) assert.deepEqual(await capped(daemon, name), [2, 'retried']);
    for (const pod of pods) await setStatus(pod, running({ restartCount: 1 }, true));
    for (const name of names) assert.deepEqual((await processed(name)).status?.conditions ?? [], []);
    const [finishing = '', failing = ''] = pods;
    await setStatus(finishing, { phase: 'Succeeded' });
    await setStatus(failing, running({ restartCount: 2 }));
    assert.equal((await ended(names[0])).type, 'Complete');
    assert.equal((await ended(names[1])).reason, 'BackoffLimitExceeded');
    assert.match(await noteOf(names[0]), /from 2147483647 to 2\..*current run.*next failure ends the Job/);
  });

  it('a Job with OnFailure whose container waits for its next restart fails after the cap, without another run', async (t) => {
    const name = 'crashed-apply';
    await store(name);
    const pod = await runOf(name);
    await setStatus(pod, running({ restartCount: 3, state: crashed }));
    const daemon = await start(t);
    assert.deepEqual(await capped(daemon, name), [0, 'policy']);
    assert.equal((await ended(name)).reason, 'BackoffLimitExceeded');
  });

  it('the second run of a Job with Never finishes after the cap, and its failure ends the Job', async (t) => {
    const names = ['never-apply', 'never-twice-apply'] as const;
    for (const name of names) await store(name, () => ({ restartPolicy: 'Never' }));
    for (const name of names) await setStatus(await runOf(name), { phase: 'Failed' });
    const pods = await Promise.all(names.map((name) => runOf(name, 2)));
    const daemon = await start(t);
    for (const name of names) assert.deepEqual(await capped(daemon, name), [1, 'retried']);
    for (const pod of pods) await setStatus(pod, running({}, true));
    for (const name of names) assert.deepEqual((await processed(name)).status?.conditions ?? [], []);
    const [finishing = '', failing = ''] = pods;
    await setStatus(finishing, { phase: 'Succeeded' });
    await setStatus(failing, { phase: 'Failed' });
    assert.equal((await ended(names[0])).type, 'Complete');
    const { reason, status } = await ended(names[1]);
    assert.deepEqual([reason, status.failed], ['BackoffLimitExceeded', 2]);
  });

  it('an endpoint that is called does not end the second run of a Job either: an UPDATE cannot raise its limit', async (t) => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    await eventually(async () => {
      const body = await recordedJob('create-terraform-apply', namespace);
      const { spec } = await cluster.batch.createNamespacedJob({ namespace, body, dryRun: 'All' });
      assert.equal(spec?.backoffLimit, 0);
    });
    const name = 'called-apply';
    const keep = { 'terraform.job.kb.io/keep-retries': 'true' };
    await store(name, () => ({}), keep);
    const pod = await runOf(name);
    await setStatus(pod, running({ restartCount: 1 }));
    const patch = (body: object) =>
      cluster.batch.patchNamespacedJob(
        { namespace, name, body },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
    await patch({ metadata: { annotations: { 'terraform.job.kb.io/keep-retries': null } } });
    assert.deepEqual(await capped(daemon, name), [2, 'retried']);
    assert.equal((await patch({ metadata: { labels: { seen: 'true' } } })).spec?.backoffLimit, 2);
    assert.equal((await patch({ spec: { backoffLimit: 6 } })).spec?.backoffLimit, 2);
    await setStatus(pod, running({ restartCount: 1 }, true));
    assert.deepEqual((await processed(name)).status?.conditions ?? [], []);
    await setStatus(pod, { phase: 'Succeeded' });
    assert.equal((await ended(name)).type, 'Complete');
  });

  it('without the right to list Pods the backstop caps to the policy, and warns once that it may end a run', async (t) => {
    const name = 'unread-apply';
    const roles = apiClient(cluster.kubeconfig, RbacAuthorizationV1Api);
    const role = await roles.readClusterRole({ name: 'terraform-daemon-backstop' });
    const rules = (role.rules ?? []).filter(({ resources }) => !resources?.includes('pods'));
    await roles.replaceClusterRole({ name: 'terraform-daemon-backstop', body: { ...role, rules } });
    await store(name);
    await setStatus(await runOf(name), running({ restartCount: 1 }));
    const daemon = await start(t);
    assert.deepEqual(await capped(daemon, name), [0, 'policy']);
    const warning = await daemon.line('cannot list pods, a cap may end a run');
    assert.deepEqual([warning.level, warning.code], ['warn', 'KUBE_FORBIDDEN']);
    assert.match(String(warning.error), /cannot list resource "pods".*manifests\/base\/rbac-backstop\.yaml/);
    assert.equal((await ended(name)).reason, 'BackoffLimitExceeded');
  });
});
