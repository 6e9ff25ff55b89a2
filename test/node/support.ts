import assert from 'node:assert/strict';
import { BatchV1Api, CoreV1Api, KubeConfig, type V1Job, type V1Pod } from '@kubernetes/client-node';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { type Progress, stderrProgress } from '../../tools/control-plane/progress.ts';
import { buildDaemonImage, ensurePauseImage, type ImageFile } from '../../tools/image/images.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { type NodeCluster, startNodeCluster } from '../../tools/node/node-cluster.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { eventually } from '../support/eventually.ts';

export const NAMESPACE = 'vela-system';
export const DEPLOYMENT = 'deployment/terraform-daemon';
const SELECTOR = 'app=terraform-daemon';

/** Time limit until all Pods of a rollout are scheduled, started and ready. */
export const ROLLOUT_MS = 120_000;

/** Time limit until a Job has failed. The kubelet measures the volumes of a Pod once a minute. */
const ENDED_MS = 240_000;

/** A cluster of one node with the image of the daemon, and clients of a cluster admin. */
export interface Stage {
  readonly node: NodeCluster;
  readonly kubeconfig: string;
  readonly core: CoreV1Api;
  readonly batch: BatchV1Api;
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  /** Returns the Pods of the daemon that are not being deleted. */
  readonly pods: () => Promise<readonly V1Pod[]>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts the node and loads the image of the daemon.
 *
 * @param images builds further images for Pods.
 */
export async function startStage(
  images: (progress: Progress) => Promise<readonly ImageFile[]> = async () => [],
): Promise<Stage> {
  const progress = stderrProgress();
  const [pause, daemon, others] = [await ensurePauseImage(), await buildDaemonImage(progress), await images(progress)];
  const node = await startNodeCluster({ pause, progress });
  try {
    for (const image of [daemon, ...others]) await node.loadImage(image);
    const config = new KubeConfig();
    config.loadFromFile(node.kubeconfig);
    const core = config.makeApiClient(CoreV1Api);
    return {
      node,
      kubeconfig: node.kubeconfig,
      core,
      batch: config.makeApiClient(BatchV1Api),
      kubectl: (...args) => kubectl(node.kubeconfig, args),
      pods: async () => {
        const { items } = await core.listNamespacedPod({ namespace: NAMESPACE, labelSelector: SELECTOR });
        return items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
      },
      stop: node.stop,
    };
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Creates the namespace of KubeVela with the restricted Pod Security Standard. */
export async function createRestrictedNamespace({ core }: Pick<Stage, 'core'>): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await core.createNamespace({ body: { metadata: { name: NAMESPACE, labels } } });
}

/**
 * Applies `manifests/install.yaml`, as the README says, and waits for the rollout. Returns the time in ms until Jobs
 * were capped.
 */
export async function install(stage: Stage): Promise<number> {
  const start = performance.now();
  await stage.kubectl('apply', '-f', INSTALL);
  await untilCapped(stage);
  const tookMs = Math.round(performance.now() - start);
  await stage.kubectl('-n', NAMESPACE, 'rollout', 'status', DEPLOYMENT, `--timeout=${ROLLOUT_MS}ms`);
  return tookMs;
}

/** Resolves when no Pod of the daemon is left, also none that still drains. */
export const untilNoPods = ({ core }: Pick<Stage, 'core'>): Promise<void> =>
  eventually(async () => {
    const { items } = await core.listNamespacedPod({ namespace: NAMESPACE, labelSelector: SELECTOR });
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      [],
    );
  });

/** Resolves when the API server reaches the endpoint through the Service. */
export async function untilCapped({ batch }: Pick<Stage, 'batch'>): Promise<void> {
  const body = await recordedJob('create-terraform-apply', 'default');
  await eventually(
    async () => {
      const job = await batch.createNamespacedJob({ namespace: 'default', body, dryRun: 'All' });
      assert.equal(job.spec?.backoffLimit, 0);
    },
    { withinMs: ROLLOUT_MS },
  );
}

/** Returns the metric of failed applies in a namespace. Only the holder of the Lease has it. */
export async function failedApplies(stage: Stage, namespace: string): Promise<number> {
  const scrape = ({ metadata }: V1Pod) =>
    stage.kubectl('get', '--raw', `/api/v1/namespaces/${NAMESPACE}/pods/${metadata?.name}:8080/proxy/metrics`);
  const text = (await Promise.all((await stage.pods()).map(scrape))).join('\n');
  const sample = new RegExp(
    `^terraform_daemon_failed_applies\\{configuration_namespace="${namespace}"\\} (\\d+)$`,
    'm',
  );
  return Number(sample.exec(text)?.[1] ?? 0);
}

/** Creates a namespace with a Job of terraform-controller and the objects that its Pod needs. */
export async function createTerraformJob(
  { core, batch }: Pick<Stage, 'core' | 'batch'>,
  namespace: string,
  change: (job: V1Job) => V1Job,
): Promise<{ readonly name: string; readonly uid: string }> {
  const metadata = (name: string) => ({ metadata: { name, namespace } });
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  await core.createNamespacedServiceAccount({ namespace, body: metadata('tf-executor-service-account') });
  const data = { 'main.tf': '#' };
  await core.createNamespacedConfigMap({ namespace, body: { ...metadata('tf-oss-bucket'), data } });
  const stringData = { TF_VAR_length: '1', TF_VAR_tags: '{}' };
  await core.createNamespacedSecret({ namespace, body: { ...metadata('variable-oss-bucket'), stringData } });
  const body = change(await recordedJob('create-terraform-apply', namespace));
  const created = await batch.createNamespacedJob({ namespace, body });
  return { name: created.metadata?.name ?? '', uid: created.metadata?.uid ?? '' };
}

/** Waits for the Event of the daemon on a failed Job, and returns its message. */
export const notRetriedNote = ({ core }: Pick<Stage, 'core'>, namespace: string, uid = ''): Promise<string> =>
  eventually(
    async () => {
      const fieldSelector = `reason=NotRetried,involvedObject.uid=${uid}`;
      const [event] = (await core.listNamespacedEvent({ namespace, fieldSelector })).items;
      assert.ok(event?.message);
      return event.message;
    },
    { withinMs: ENDED_MS },
  );

/** Runs the command of an Event that prints the log of a Job. */
export async function logOf({ kubectl }: Pick<Stage, 'kubectl'>, note: string): Promise<string> {
  const [, command] = /`kubectl ([^`]* logs [^`]*)`/.exec(note) ?? [];
  assert.ok(command, note);
  return kubectl(...command.split(' '));
}
