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
/** The name of the daemon's entry in the registration. */
export const OWN = 'modify.terraform.job.kb.io';
/** The name that the API server asks for. */
export const SERVER_NAME = `${SERVICE}.${NAMESPACE}.svc`;
export const DAEMON_USER = `system:serviceaccount:${NAMESPACE}:terraform-daemon`;

/** A real control plane as a cluster admin sees it, set up for the daemon. */
export interface Cluster {
  /** The daemon's: its user has the rights of `manifests/install.yaml`, and no other. */
  readonly daemonKubeconfig: string;
  /** The cluster admin's. */
  readonly kubeconfig: string;
  /** Those of the users that it was started with. */
  kubeconfigFor(user: string): string;
  readonly core: CoreV1Api;
  readonly batch: BatchV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly url: string;
  /** The calls of webhooks that have failed so far: the API server took those Jobs as they were. */
  failedOpen(): Promise<readonly FailedOpen[]>;
  secret(): Promise<V1Secret | undefined>;
  registration(): Promise<V1MutatingWebhookConfiguration | undefined>;
  createNamespace(name: string): Promise<void>;
  createJob(job: V1Job): Promise<V1Job>;
  /** Adds an annotation to a Job, as `kubectl annotate` does. */
  annotateJob(job: V1Job, options?: { readonly isDryRun?: boolean }): Promise<V1Job>;
  /** Removes what the daemons of an earlier test have left. */
  forgetDaemon(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly apiServerArgs?: readonly string[];
  /** Users beside the admin and the daemon; they have no rights yet. */
  readonly users?: readonly User[];
  /** Also start kube-controller-manager. Default: no. */
  readonly controllerManager?: boolean;
  /** Whether the daemon has the rights of `manifests/base/rbac-backstop.yaml` too. Default: yes. */
  readonly backstopRbac?: boolean;
  /** Takes the progress of building the executables. Default: lines on stderr. */
  readonly progress?: Progress;
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { apiServerArgs = [], users = [], controllerManager = false, backstopRbac = true, progress } = options;
  const controlPlane = await startControlPlane({
    users: [{ name: DAEMON_USER }, ...users],
    apiServerArgs,
    controllerManager,
    ...(progress ? { progress } : {}),
  });
  try {
    return await setUp(controlPlane, await installRights({ backstop: backstopRbac }));
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
}

/** Makes what a namespace with the daemon in it needs, but for the daemon. */
export async function setUp(controlPlane: ControlPlane, rights: readonly KubernetesObject[]): Promise<Cluster> {
  const cluster = clusterOf(controlPlane);
  await cluster.createNamespace(NAMESPACE);
  const config = new KubeConfig();
  config.loadFromFile(controlPlane.kubeconfig);
  const objects = KubernetesObjectApi.makeApiClient(config);
  for (const object of rights) await objects.create(object);
  // There is no kube-proxy here: this way the API server finds the daemon on loopback through its Service all the same,
  // and still asks for the Service's name in the certificate.
  await cluster.core.createNamespacedService({
    namespace: NAMESPACE,
    body: { metadata: { name: SERVICE }, spec: { type: 'ExternalName', externalName: 'localhost' } },
  });
  return cluster;
}

/** Clients for a control plane as it is. */
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
