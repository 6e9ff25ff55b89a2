import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { kubernetesVersion } from '../../tools/control-plane/kubernetes-version.ts';
import type { Json } from '../support/builders/a-job.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { type ApiReply, type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { readDocument } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'team-a';
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
const executor = { name: 'terraform-executor', image: 'example.invalid/terraform:1' };

/** A Job of the built-in policy with further fields. */
const aJobWith = (name: string, { spec = {}, podSpec = {} }: { readonly spec?: Json; readonly podSpec?: Json }) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: {
    backoffLimit: 6,
    ...spec,
    template: {
      spec: {
        serviceAccountName: 'tf-executor-service-account',
        restartPolicy: 'OnFailure',
        containers: [executor],
        ...podSpec,
      },
    },
  },
});

const indexed = { completionMode: 'Indexed', completions: 2, parallelism: 2 };
const ignore = {
  rules: [{ action: 'Ignore', onExitCodes: { containerName: executor.name, operator: 'In', values: [42] } }],
};
const once = 'patched to run once (backoffLimit 6 -> 0, restartPolicy OnFailure -> Never)';
const none = 'patched to allow no retry (backoffLimit 6 -> 0, restartPolicy OnFailure -> Never)';
const limitOnly = 'patched to allow no retry (backoffLimit 6 -> 0)';
const mayStartTwice = 'with restartPolicy OnFailure a container may start twice';
const mayRestart = 'a container has its own restartPolicy or restartPolicyRules, and may start again';
const endsOthers = 'the first Pod that fails ends the other Pods of the Job';

const [, minor = '0'] = minorOf(await kubernetesVersion()).split('.');
/** Containers with their own restart rules: beta and on by default. */
const skip = Number(minor) < 35 && `Kubernetes 1.${minor} has no restart rules of containers, or an alpha`;

describe('the retry fields of a Job, with the real Job controller', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let api: RawApi;

  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    await cluster.createNamespace(NAMESPACE);
    const body = { metadata: { name: 'tf-executor-service-account' } };
    await cluster.core.createNamespacedServiceAccount({ namespace: NAMESPACE, body });
    api = await rawApi(cluster.kubeconfig);
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: ['--heal=off'] });
    await daemon.line('ready');
    await eventually(async () => {
      const { body } = await api.call('POST', `${JOBS}?dryRun=All`, aJobWith('probe', {}));
      assert.equal(body.spec.backoffLimit, 0);
    });
  });
  after(async () => {
    api?.close();
    await daemon?.stop();
    await cluster?.stop();
  });

  const create = (name: string, fields: Parameters<typeof aJobWith>[1]): Promise<ApiReply> =>
    api.call('POST', JOBS, aJobWith(name, fields));
  const restartPolicyOf = ({ body }: ApiReply): string => body.spec.template.spec.restartPolicy;
  const job = async (name: string): Promise<Json> => (await api.call('GET', `${JOBS}/${name}`)).body;
  const podsOf = async (name: string): Promise<V1Pod[]> => {
    const labelSelector = `job-name=${name}`;
    return (await cluster.core.listNamespacedPod({ namespace: NAMESPACE, labelSelector })).items;
  };
  /** Resolves with the Pods of a Job that have not finished. */
  const running = (name: string, count: number) =>
    eventually(async () => {
      const pods = (await podsOf(name)).filter(
        ({ status, metadata }) => status?.phase === 'Pending' && !metadata?.deletionTimestamp,
      );
      assert.equal(pods.length, count);
      return pods;
    });
  /** Writes the status that a kubelet writes. */
  async function report(pod: V1Pod | undefined, status: NonNullable<V1Pod['status']>): Promise<void> {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${pod?.metadata?.name}/status`;
    const reply = await api.call('PATCH', path, { status });
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
  }
  const containerStatus = (name: string, state: Json, restartCount = 0): V1ContainerStatus => ({
    ...{ name, state, restartCount, ready: false, image: 'x', imageID: 'x' },
  });
  const exited = (exitCode: number) => ({
    terminated: {
      exitCode,
      startedAt: new Date(),
      finishedAt: new Date(),
      reason: exitCode === 0 ? 'Completed' : 'Error',
    },
  });
  const isRunning = { running: { startedAt: new Date() } };
  const fail = (pod: V1Pod | undefined, exitCode = 1) =>
    report(pod, { phase: 'Failed', containerStatuses: [containerStatus(executor.name, exited(exitCode))] });
  const ended = (name: string, type: 'Failed' | 'Complete') =>
    eventually(async () => {
      const { status } = await job(name);
      assert.ok(
        status.conditions?.some((one: Json) => one.type === type && one.status === 'True'),
        JSON.stringify(status),
      );
    });

  const warned: [name: string, fields: Parameters<typeof aJobWith>[1], policy: string, warnings: string[]][] = [
    ['no-more-fields', {}, 'Never', [once]],
    ['pods', { spec: { parallelism: 2 } }, 'Never', [none, endsOthers]],
    ['completions', { spec: { completions: 3 } }, 'Never', [none, endsOthers]],
    ['per-index', { spec: { ...indexed, backoffLimitPerIndex: 1 } }, 'Never', [none, endsOthers]],
    [
      'managed-by',
      { spec: { managedBy: 'example.com/queue' } },
      'Never',
      [none, 'spec.managedBy names another controller, which may retry'],
    ],
    ['of-the-job-controller', { spec: { managedBy: 'kubernetes.io/job-controller' } }, 'Never', [once]],
    ['sidecar', { podSpec: { initContainers: [{ name: 's', image: 'x', restartPolicy: 'Always' }] } }, 'Never', [once]],
    [
      'ignore',
      { spec: { podFailurePolicy: ignore }, podSpec: { restartPolicy: 'Never' } },
      'Never',
      [limitOnly, 'podFailurePolicy ignores some failures, and their Pods are replaced'],
    ],
  ];
  for (const [name, fields, policy, warnings] of warned) {
    it(`the warnings about the Job ${name} are true`, async () => {
      const reply = await create(name, fields);
      assert.equal(reply.status, 201, JSON.stringify(reply.body));
      assert.deepEqual([reply.body.spec.backoffLimit, restartPolicyOf(reply)], [0, policy]);
      assert.deepEqual(
        reply.warnings,
        warnings.map((text) => `terraform-daemon: ${text}`),
      );
    });
  }

  const restarts: [name: string, podSpec: Json, policy: string, warnings: string[]][] = [
    [
      'own-policy',
      { containers: [{ ...executor, restartPolicy: 'OnFailure' }] },
      'OnFailure',
      [limitOnly, mayStartTwice, mayRestart],
    ],
    [
      'own-rules',
      {
        containers: [
          {
            ...executor,
            restartPolicy: 'Never',
            restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
          },
        ],
      },
      'OnFailure',
      [limitOnly, mayStartTwice, mayRestart],
    ],
    ['own-never', { containers: [{ ...executor, restartPolicy: 'Never' }] }, 'Never', [once]],
    [
      'init-retries',
      { initContainers: [{ name: 'i', image: 'x', restartPolicy: 'OnFailure' }] },
      'Never',
      [none, mayRestart],
    ],
  ];
  for (const [name, podSpec, policy, warnings] of restarts) {
    it(`the warnings about the Job ${name} are true`, { skip }, async () => {
      const reply = await create(name, { podSpec });
      assert.equal(reply.status, 201, JSON.stringify(reply.body));
      assert.deepEqual([reply.body.spec.backoffLimit, restartPolicyOf(reply)], [0, policy]);
      assert.deepEqual(
        reply.warnings,
        warnings.map((text) => `terraform-daemon: ${text}`),
      );
    });
  }

  it('the API server refuses podFailurePolicy with OnFailure, and a Job without restartPolicy, as without the daemon', async () => {
    const policy = await create('refused', { spec: { podFailurePolicy: ignore } });
    assert.equal(policy.status, 422);
    assert.match(policy.body.message, /only "Never" is supported when podFailurePolicy is specified/);
    const absent = await create('refused', { podSpec: { restartPolicy: undefined } });
    assert.equal(absent.status, 422);
    assert.match(absent.body.message, /restartPolicy: Required value: valid values: "OnFailure", "Never"/);
  });

  it('the Job controller replaces a Pod whose failure podFailurePolicy ignores, although the limit is 0', async () => {
    for (const _ of [1, 2, 3]) {
      const [pod] = await running('ignore', 1);
      await fail(pod, 42);
    }
    await running('ignore', 1);
    assert.equal((await job('ignore')).status.failed, undefined);
  });

  it('the first Pod that fails ends the other Pods, also with backoffLimitPerIndex', async () => {
    for (const name of ['pods', 'per-index']) {
      const [pod] = await running(name, 2);
      await fail(pod);
      await running(name, 0);
      const { status } = await eventually(async () => {
        const found = await job(name);
        assert.ok(found.status.conditions?.some(({ type }: Json) => type === 'FailureTarget'));
        return found;
      });
      assert.equal(status.conditions[0].reason, 'BackoffLimitExceeded');
    }
  });

  it('a restarted sidecar fails no Job with restartPolicy Never, and the Job completes', async () => {
    const [pod] = await running('sidecar', 1);
    const initContainerStatuses = [containerStatus('s', isRunning, 3)];
    const containerStatuses = [containerStatus(executor.name, isRunning)];
    await report(pod, { phase: 'Running', initContainerStatuses, containerStatuses });
    await eventually(async () => assert.equal((await job('sidecar')).status.active, 1));
    await report(pod, {
      phase: 'Succeeded',
      initContainerStatuses: [containerStatus('s', exited(0), 3)],
      containerStatuses: [containerStatus(executor.name, exited(0))],
    });
    await ended('sidecar', 'Complete');
  });

  it('a Job whose container restarts by its own restartPolicy fails after one restart', { skip }, async () => {
    const [pod] = await running('own-policy', 1);
    await report(pod, { phase: 'Running', containerStatuses: [containerStatus(executor.name, isRunning, 1)] });
    await ended('own-policy', 'Failed');
  });

  it('docs/reference/retry-fields.md names each field of a Job that this API server knows', async () => {
    const page = await readDocument('docs/reference/retry-fields.md');
    const { schemas } = (await api.call('GET', '/openapi/v3/apis/batch/v1')).body.components;
    const fieldsOf = (kind: string) => Object.keys(schemas[kind].properties);
    const restart = (kind: string) => fieldsOf(kind).filter((name) => /restart/i.test(name));
    const podFields = restart('io.k8s.api.core.v1.PodSpec').map((name) => `template.spec.${name}`);
    const container = restart('io.k8s.api.core.v1.Container').map((name) => `containers[].${name}`);
    for (const name of [...fieldsOf('io.k8s.api.batch.v1.JobSpec'), ...podFields, ...container])
      assert.ok(page.includes(`\`${name}\``) || name === 'template', name);
  });
});
