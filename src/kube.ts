import { readFileSync } from 'node:fs';
import {
  AdmissionregistrationV1Api,
  ApiException,
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  PatchStrategy,
  ServerConfiguration,
  setHeaderOptions,
} from '@kubernetes/client-node';
import type { SecretStore } from './certs/ensure.ts';
import type { StoredSecret } from './certs/secret.ts';
import { type ErrorCode, messageOf, OperatorError } from './errors.ts';
import type { RegistrationStore } from './registration/reconcile.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Who writes, in `managedFields`. */
const FIELD_MANAGER = 'terraform-daemon';

/** A hung API server must not hang a reconcile: every call ends after this long. */
const CALL_TIMEOUT_MS = 10_000;

/** The clients for one API server. */
export interface Clients {
  /** Where the API server is. */
  readonly server: string;
  readonly core: CoreV1Api;
  readonly admission: AdmissionregistrationV1Api;
}

/** The namespace of the Pod that this process runs in, or `undefined` outside of a cluster. */
export function podNamespace(): string | undefined {
  try {
    return readFileSync(`${SERVICE_ACCOUNT}/namespace`, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Connects to the API server: by the kubeconfig given, else as the Pod's service account, else by `$KUBECONFIG` or
 * `~/.kube/config`. Nothing is called yet.
 *
 * @throws OperatorError `CONFIG_INVALID` when there is no usable kubeconfig.
 */
export function connect(kubeconfig: string | undefined): Clients {
  const config = loadKubeConfig(kubeconfig);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw noKubeConfig(kubeconfig, 'its current context names no cluster');
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        pre: async (request) => {
          request.setSignal(AbortSignal.timeout(CALL_TIMEOUT_MS));
          return request;
        },
        post: async (response) => response,
      },
    ],
  });
  return {
    server: cluster.server,
    core: new CoreV1Api(configuration),
    admission: new AdmissionregistrationV1Api(configuration),
  };
}

function loadKubeConfig(kubeconfig: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else if (podNamespace() !== undefined) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (error) {
    throw noKubeConfig(kubeconfig, messageOf(error), error);
  }
  // Where it finds nothing, loadFromDefault answers this instead of an error.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw noKubeConfig(kubeconfig, 'neither a service account nor $KUBECONFIG nor ~/.kube/config was found');
  }
  return config;
}

const noKubeConfig = (kubeconfig: string | undefined, problem: string, cause?: unknown): OperatorError =>
  new OperatorError(
    'CONFIG_INVALID',
    `  --kubeconfig (TERRAFORM_DAEMON_KUBECONFIG): found ${kubeconfig ?? 'none'}: ${problem}; allowed is a kubeconfig file with a current context`,
    { cause },
  );

/** The Secret `namespace/name` on the API server. */
export function createSecretStore({ core }: Clients, namespace: string, name: string, replica: string): SecretStore {
  const reference = `${namespace}/${name}`;
  const target = { namespace, name };
  return {
    reference,
    async read(): Promise<StoredSecret | undefined> {
      const secret = await orAbsent(core.readNamespacedSecret(target), `read Secret ${reference}`);
      return (
        secret && {
          resourceVersion: secret.metadata?.resourceVersion ?? '',
          labels: secret.metadata?.labels ?? {},
          annotations: secret.metadata?.annotations ?? {},
          data: secret.data ?? {},
        }
      );
    },
    create({ labels, annotations, data }) {
      // Not forced, and as a manager of this process' own: whoever comes second gets a conflict with the first. A POST
      // would do that too, but RBAC cannot tie a POST to a name.
      const body = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { ...target, labels, annotations },
        type: 'kubernetes.io/tls',
        data,
      };
      const call = core.patchNamespacedSecret(
        { ...target, body, fieldManager: `${FIELD_MANAGER}/${replica}`, force: false },
        setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply),
      );
      return wasWritten(call, `create Secret ${reference}`);
    },
    update({ labels, annotations, data }, resourceVersion) {
      const body = { metadata: { resourceVersion, labels, annotations }, data };
      const call = core.patchNamespacedSecret(
        { ...target, body, fieldManager: FIELD_MANAGER },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
      return wasWritten(call, `update Secret ${reference}`);
    },
  };
}

/** The MutatingWebhookConfiguration `name` on the API server. */
export function createRegistrationStore({ admission }: Clients, name: string): RegistrationStore {
  return {
    read: () =>
      orAbsent(admission.readMutatingWebhookConfiguration({ name }), `read MutatingWebhookConfiguration ${name}`),
    async apply(body) {
      const call = admission.patchMutatingWebhookConfiguration(
        // Forced: our entry is ours, also when somebody's kubectl has written into it.
        { name, body, fieldManager: FIELD_MANAGER, force: true },
        setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply),
      );
      return call.catch((error) => {
        throw kubeError(`apply MutatingWebhookConfiguration ${name}`, error);
      });
    },
    async replaceEntry(live, index, entry) {
      const body = [
        // Not a test: that would answer 422, and this a conflict as everywhere.
        { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata?.resourceVersion },
        { op: 'replace', path: `/webhooks/${index}`, value: entry },
      ];
      const call = admission.patchMutatingWebhookConfiguration(
        { name, body, fieldManager: FIELD_MANAGER },
        setHeaderOptions('Content-Type', PatchStrategy.JsonPatch),
      );
      return call.catch((error) => {
        throw kubeError(`patch MutatingWebhookConfiguration ${name}`, error);
      });
    },
  };
}

async function orAbsent<T>(call: Promise<T>, what: string): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw kubeError(what, error);
  }
}

/** A stale or vanished object is a lost race, told as `false`. */
async function wasWritten(call: Promise<unknown>, what: string): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (statusOf(error) === 409 || isObjectGone(error)) return false;
    throw kubeError(what, error);
  }
}

/** A missing namespace is a 404 as well, but trying again does not help there. */
const isObjectGone = (error: unknown): boolean =>
  statusOf(error) === 404 && !/namespaces? "/.test(statusMessage(error));

const statusOf = (error: unknown): number | undefined => (error instanceof ApiException ? error.code : undefined);

/** The API server's own words: the whole exception would carry every header and the body twice. */
function statusMessage(error: unknown): string {
  const body: unknown = error instanceof ApiException ? parsed(error.body) : undefined;
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  if (typeof message === 'string') return message;
  return error instanceof ApiException ? `HTTP ${error.code}` : networkMessage(error);
}

const parsed = (body: unknown): unknown => {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
};

/** fetch says "fetch failed" and keeps what happened in the cause. */
function networkMessage(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

function kubeError(what: string, error: unknown): OperatorError {
  const code = kubeCode(statusOf(error));
  const next = code === 'KUBE_FORBIDDEN' ? ' (compare the rights of this user with manifests/rbac.yaml)' : '';
  return new OperatorError(code, `cannot ${what}: ${statusMessage(error)}${next}`, { cause: error });
}

function kubeCode(status: number | undefined): ErrorCode {
  if (status === 401 || status === 403) return 'KUBE_FORBIDDEN';
  if (status === 409) return 'KUBE_CONFLICT';
  const isOurFault = status !== undefined && status >= 400 && status < 500 && status !== 429;
  return isOurFault ? 'KUBE_REJECTED' : 'KUBE_UNAVAILABLE';
}
