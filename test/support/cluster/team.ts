import assert from 'node:assert/strict';
import { CustomObjectsApi, type V1Job, type V1Pod } from '@kubernetes/client-node';
import { kubectl } from '../../../tools/control-plane/kubectl.ts';
import { eventually } from '../eventually.ts';
import { apiClient } from './api-client.ts';
import type { Cluster } from './cluster.ts';

const CONFIGURATIONS = { group: 'terraform.core.oam.dev', version: 'v1beta2', plural: 'configurations' };
const DONE_MS = 120_000;

type Action = 'apply' | 'destroy';

/** The Configurations of one namespace, on a control plane without a kubelet. */
export interface Team {
  readonly uidOf: (name: string) => Promise<string>;
  /** Resolves with the Job of a Configuration when it is stored with another uid than `former`. */
  readonly untilJob: (name: string, former?: string, action?: Action) => Promise<V1Job>;
  /** Ends the only Pod of a Job, as a kubelet does. */
  readonly endPod: (job: V1Job, exitCode: number) => Promise<void>;
  /**
   * The same, and resolves when the Job has ended.
   * Not for a destroy that succeeds: terraform-controller can delete its Job before the end is read.
   */
  readonly end: (job: V1Job, exitCode: number) => Promise<V1Job>;
}

/** @param jobNamespace the namespace of `--controller-namespace`. Default: the namespace of the Configurations. */
export function teamIn(cluster: Cluster, namespace: string, jobNamespace: string | undefined): Team {
  const objects = apiClient(cluster.kubeconfig, CustomObjectsApi);
  const where = jobNamespace ?? namespace;
  const uidOf = async (name: string): Promise<string> =>
    (await objects.getNamespacedCustomObject({ ...CONFIGURATIONS, namespace, name })).metadata.uid;
  const podsOf = async ({ metadata }: V1Job): Promise<readonly V1Pod[]> => {
    const labelSelector = `batch.kubernetes.io/controller-uid=${metadata?.uid}`;
    return (await cluster.core.listNamespacedPod({ namespace: where, labelSelector })).items;
  };
  const endPod = async (job: V1Job, exitCode: number): Promise<void> => {
    const pod = await eventually(async () => {
      const [only, ...others] = await podsOf(job);
      assert.ok(only);
      assert.deepEqual(others, []);
      return only;
    });
    const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', finishedAt: new Date() };
    const image = 'terraform';
    const status = { name: 'terraform-executor', image, imageID: image, ready: false, restartCount: 0 };
    const body = {
      ...pod,
      status: {
        phase: exitCode === 0 ? 'Succeeded' : 'Failed',
        containerStatuses: [{ ...status, state: { terminated } }],
      },
    };
    await cluster.core.replaceNamespacedPodStatus({ namespace: where, name: pod.metadata?.name ?? '', body });
  };
  return {
    uidOf,
    endPod,
    untilJob: (name, former, action = 'apply') =>
      eventually(
        async () => {
          const prefix = jobNamespace === undefined ? name : await uidOf(name);
          const job = await cluster.batch.readNamespacedJob({ namespace: where, name: `${prefix}-${action}` });
          assert.notEqual(job.metadata?.uid, former);
          return job;
        },
        { withinMs: DONE_MS },
      ),
    async end(job, exitCode) {
      await endPod(job, exitCode);
      const wanted = exitCode === 0 ? 'Complete' : 'Failed';
      return eventually(
        async () => {
          const name = job.metadata?.name ?? '';
          const ended = await cluster.batch.readNamespacedJob({ namespace: where, name });
          assert.ok(ended.status?.conditions?.some(({ type, status }) => type === wanted && status === 'True'));
          return ended;
        },
        { withinMs: DONE_MS },
      );
    },
  };
}

/**
 * Returns the uids of the Jobs that were created in the namespace of `former` after its last change. One of them is
 * `created`: on a slow machine a watch can end before it has sent this Job, and is repeated.
 */
export function createdAfter(cluster: Cluster, former: V1Job, created: V1Job): Promise<readonly string[]> {
  const { namespace, resourceVersion } = former.metadata ?? {};
  const query = `watch=true&timeoutSeconds=1&resourceVersion=${resourceVersion}`;
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs?${query}`;
  return eventually(async () => {
    const events = (await kubectl(cluster.kubeconfig, ['get', '--raw', path])).split('\n').filter(Boolean);
    const added = events.map((line) => JSON.parse(line)).filter(({ type }) => type === 'ADDED');
    const uids = added.map(({ object }) => object.metadata.uid);
    assert.ok(uids.includes(created.metadata?.uid));
    return uids;
  });
}
