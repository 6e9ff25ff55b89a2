import {
  AdmissionregistrationV1Api,
  ApiException,
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  type V1Job,
  type V1MutatingWebhookConfiguration,
  type V1Secret,
} from '@kubernetes/client-node';
import { type ControlPlane, startControlPlane } from '../../../tools/control-plane/control-plane.ts';
import type { Progress } from '../../../tools/control-plane/progress.ts';
import type { User } from '../../../tools/control-plane/users.ts';
import { installRights } from '../../../tools/manifests/kustomize.ts';
import { type FailedOpen, readFailedOpen } from './failed-open.ts';

export const NAMESPACE = 'vela-system';
export const SERVICE = 'terraform-job-webhook-service';
export const SECRET = 'terraform-job-webhook-cert';
export const REGISTRATION = 'terraform-job-webhook-configuration';
/** Name of the webhook entry of the daemon. */
export const OWN = 'modify.terraform.job.kb.io';
/** The server name that the API server sends and verifies. */
export const SERVER_NAME = `${SERVICE}.${NAMESPACE}.svc`;
export const DAEMON_USER = `system:serviceaccount:${NAMESPACE}:terraform-daemon`;

/** A real control plane with the objects that the daemon needs, and clients of a cluster admin. */
export interface Cluster {
  /** Kubeconfig of the daemon. Its user has only the rights of `manifests/install.yaml`. */
  readonly daemonKubeconfig: string;
  /** Kubeconfig of the cluster admin. */
  readonly kubeconfig: string;
  /** Returns the path of the kubeconfig of a user that was given when the control plane started. */
  kubeconfigFor(user: string): string;
  readonly core: CoreV1Api;
  readonly batch: BatchV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly url: string;
  /**
   * Returns the failed webhook calls that the API server ignored (failurePolicy Ignore). The Jobs of these calls were
   * admitted unchanged.
   */
  failedOpen(): Promise<readonly FailedOpen[]>;
  secret(): Promise<V1Secret | undefined>;
  registration(): Promise<V1MutatingWebhookConfiguration | undefined>;
  createNamespace(name: string): Promise<void>;
  createJob(job: V1Job): Promise<V1Job>;
  /** Adds an annotation to a Job, as `kubectl annotate` does. */
  annotateJob(job: V1Job, options?: { readonly isDryRun?: boolean }): Promise<V1Job>;
  /** Removes the objects that the daemons of an earlier test created. */
  forgetDaemon(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly apiServerArgs?: readonly string[];
  /** Further users, without any rights. */
  readonly users?: readonly User[];
  /** Whether to start kube-controller-manager too. Default: no. */
  readonly controllerManager?: boolean;
  /** Whether the daemon also gets the rights of the backstop: on Jobs, Pods and Configurations. Default: yes. */
  readonly backstopRbac?: boolean;
  /** Folders of manifests/components whose objects are created too. Default: none. */
  readonly components?: readonly string[];
  /** Receives the progress if binaries must be built. Default: lines on stderr. */
  readonly progress?: Progress;
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const {
    apiServerArgs = [],
    users = [],
    controllerManager = false,
    backstopRbac = true,
    components = [],
    progress,
  } = options;
  const controlPlane = await startControlPlane({
    users: [{ name: DAEMON_USER }, ...users],
    apiServerArgs,
    controllerManager,
    ...(progress ? { progress } : {}),
  });
  try {
    return await setUp(controlPlane, await installRights({ backstop: backstopRbac, components }));
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
}

/** Creates the objects that the daemon needs in its namespace, except the daemon. */
export async function setUp(controlPlane: ControlPlane, rights: readonly KubernetesObject[]): Promise<Cluster> {
  const cluster = clusterOf(controlPlane);
  await cluster.createNamespace(NAMESPACE);
  const config = new KubeConfig();
  config.loadFromFile(controlPlane.kubeconfig);
  const objects = KubernetesObjectApi.makeApiClient(config);
  for (const object of rights) await objects.create(object);
  // There is no kube-proxy. A Service of type ExternalName leads the API server to the daemon on loopback, and the API
  // server still verifies the Service name.
  await cluster.core.createNamespacedService({
    namespace: NAMESPACE,
    body: { metadata: { name: SERVICE }, spec: { type: 'ExternalName', externalName: 'localhost' } },
  });
  return cluster;
}

/** Returns API clients for a control plane. */
export function clusterOf(controlPlane: ControlPlane): Cluster {
  const config = new KubeConfig();
  config.loadFromFile(controlPlane.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const batch = config.makeApiClient(BatchV1Api);
  const admission = config.makeApiClient(AdmissionregistrationV1Api);
  const secretName = { namespace: NAMESPACE, name: SECRET };
  const registrationName = { name: REGISTRATION };
  return {
    daemonKubeconfig: controlPlane.kubeconfigFor(DAEMON_USER),
    kubeconfig: controlPlane.kubeconfig,
    kubeconfigFor: controlPlane.kubeconfigFor,
    core,
    batch,
    admission,
    url: controlPlane.url,
    failedOpen: () => readFailedOpen(controlPlane.log['kube-apiserver'] ?? ''),
    secret: () => orAbsent(core.readNamespacedSecret(secretName)),
    registration: () => orAbsent(admission.readMutatingWebhookConfiguration(registrationName)),
    createNamespace: async (name) => {
      await core.createNamespace({ body: { metadata: { name } } });
    },
    createJob: (body) => batch.createNamespacedJob({ namespace: body.metadata?.namespace ?? 'default', body }),
    annotateJob: ({ metadata }, { isDryRun = false } = {}) =>
      batch.patchNamespacedJob(
        {
          namespace: metadata?.namespace ?? 'default',
          name: metadata?.name ?? '',
          body: { metadata: { annotations: { touched: 'true' } } },
          ...(isDryRun ? { dryRun: 'All' } : {}),
        },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      ),
    async forgetDaemon() {
      await orAbsent(admission.deleteMutatingWebhookConfiguration(registrationName));
      await orAbsent(core.deleteNamespacedSecret(secretName));
    },
    stop: controlPlane.stop,
  };
}

async function orAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) return undefined;
    throw error;
  }
}
