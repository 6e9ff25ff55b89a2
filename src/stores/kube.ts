import { readFileSync } from 'node:fs';
import {
  type CoreV1Event,
  createConfiguration,
  KubeConfig,
  ServerConfiguration,
  type V1MutatingWebhookConfiguration,
  type V1Secret,
  Watch,
} from '@kubernetes/client-node';
import type { SecretStore } from '../certs/reconcile.ts';
import { SECRET_TYPE, type StoredSecret } from '../certs/secret.ts';
import { optionLabel } from '../cli/options.ts';
import { orAbsent, orFail, wasWritten } from '../kube/errors.ts';
import { overHttp1 } from '../kube/http1-agent.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { createJsonCalls, type JsonCalls } from '../kube/requests.ts';
import { followWatch, watchObject } from '../kube/watch.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { describeValue, oneLine } from '../lib/text.ts';
import { isShared } from '../registration/desired.ts';
import type { RegistrationStore } from '../registration/reconcile.ts';
import type { EventStore } from '../telemetry/events.ts';
import { noOwner, type Owner } from './owner.ts';
import { toStored } from './stored-secret.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A hung API server must not hang a reconcile: every call ends after this long. */
const CALL_TIMEOUT_MS = 10_000;

const APPLY = 'application/apply-patch+yaml';
const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';

/** The clients for one API server. */
export interface Clients extends JsonCalls {
  /** Where the API server is. */
  readonly server: string;
  readonly watch: Watch;
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
 * `~/.kube/config`. Nothing is called yet. To be asked about its problems before: `kubeconfigProblems`.
 *
 * @param stop ends every call that is under way.
 */
export function connect(kubeconfig: string | undefined, stop: AbortSignal): Clients {
  const config = loadKubeConfig(kubeconfig);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('the kubeconfig was not checked');
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    authMethods: { default: config },
  });
  const watch = new Watch(config);
  return {
    server: cluster.server,
    watch,
    ...createJsonCalls({ configuration, config, stop, timeoutMs: CALL_TIMEOUT_MS }),
    followJson: (request, signal) => followWatch(watch, request, signal),
  };
}

/**
 * What is wrong with the kubeconfig that `connect` would use, a line for each problem; the files that it names are read
 * as well, as the client would read them at every call.
 */
export function kubeconfigProblems(kubeconfig: string | undefined): string[] {
  const tell = (problem: string, allowed: string) => kubeconfigProblem(kubeconfig, problem, allowed);
  let config: KubeConfig;
  try {
    config = loadKubeConfig(kubeconfig);
  } catch (error) {
    return [tell(messageOf(error), CONTEXT)];
  }
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  if (!cluster) return [tell('its current context names no cluster', CONTEXT)];
  const isHttps = URL.parse(cluster.server)?.protocol === 'https:';
  return [
    ...(isHttps ? [] : [tell(`its server is ${describeValue(cluster.server)}`, 'an https URL')]),
    ...[cluster.caFile, user?.certFile, user?.keyFile].flatMap((file) => {
      const problem = file ? readingProblem(file) : undefined;
      return problem === undefined ? [] : [tell(problem, 'a file that can be read')];
    }),
  ];
}

const CONTEXT = 'a kubeconfig file with a current context';

class Http1KubeConfig extends KubeConfig {
  override createDispatcherOptions(...given: Parameters<KubeConfig['createDispatcherOptions']>) {
    return overHttp1(super.createDispatcherOptions(...given));
  }
}

function loadKubeConfig(kubeconfig: string | undefined): KubeConfig {
  const config = new Http1KubeConfig();
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
  else if (podNamespace() !== undefined) config.loadFromCluster();
  else config.loadFromDefault();
  // Where it finds nothing, loadFromDefault answers this instead of an error.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('neither a service account nor $KUBECONFIG nor ~/.kube/config was found');
  }
  return config;
}

function readingProblem(file: string): string | undefined {
  try {
    readFileSync(file);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const kubeconfigProblem = (kubeconfig: string | undefined, problem: string, allowed: string): string => {
  const found = kubeconfig === undefined ? 'none' : JSON.stringify(kubeconfig);
  // A YAML parser quotes lines of the file below what it says, and a token may be in one.
  const [line = ''] = problem.trim().split('\n');
  return `${optionLabel('kubeconfig')}: found ${found}: ${oneLine(line.slice(0, LONGEST_PROBLEM))}; allowed is ${allowed}`;
};

const LONGEST_PROBLEM = 300;

/** The Secret `namespace/name` on the API server. */
export function createSecretStore(
  { callJson, owner = noOwner }: Pick<Clients, 'callJson'> & { readonly owner?: Owner },
  { namespace, name, replica }: { readonly namespace: string; readonly name: string; readonly replica: string },
): SecretStore {
  const reference = `${namespace}/${name}`;
  const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
  return {
    reference,
    async read(): Promise<StoredSecret | undefined> {
      const secret = await orAbsent(callJson('GET', path), `read Secret ${reference}`);
      return secret === undefined ? undefined : toStored(secret as V1Secret);
    },
    create({ labels, annotations, data }) {
      // Not forced, and as a manager of this process' own: whoever comes second gets a conflict with the first. A POST
      // would do that too, but RBAC cannot tie a POST to a name.
      const query = { fieldManager: `${FIELD_MANAGER}/${replica}`, force: 'false' };
      return owner.own({ reference: `Secret ${reference}` }, (ownerReferences) => {
        const body = {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { namespace, name, labels, annotations: withoutNull(annotations), ownerReferences },
          type: SECRET_TYPE,
          // Where there is nothing yet, null would become an empty value.
          data: withoutNull(data),
        };
        return wasWritten(callJson('PATCH', path, { query, contentType: APPLY, body }), `create Secret ${reference}`);
      });
    },
    update({ labels, annotations, data }, resourceVersion) {
      const query = { fieldManager: FIELD_MANAGER };
      return owner.own({ reference: `Secret ${reference}` }, (ownerReferences) => {
        const body = { metadata: { resourceVersion, labels, annotations, ownerReferences }, data };
        // Not a JSON merge patch, because that one would replace the owner references of others.
        const call = callJson('PATCH', path, { query, contentType: STRATEGIC_MERGE_PATCH, body });
        return wasWritten(call, `update Secret ${reference}`);
      });
    },
    delete({ uid, resourceVersion }) {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } };
      return wasWritten(callJson('DELETE', path, { body }), `delete Secret ${reference}`);
    },
  };
}

const withoutNull = (fields: Readonly<Record<string, string | null>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));

/** The MutatingWebhookConfiguration `name` on the API server. */
export function createRegistrationStore(
  { callJson, owner = noOwner }: Pick<Clients, 'callJson'> & { readonly owner?: Owner },
  name: string,
): RegistrationStore {
  const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${name}`;
  const what = `MutatingWebhookConfiguration ${name}`;
  const read = (call: Promise<unknown>) => call as Promise<V1MutatingWebhookConfiguration>;
  return {
    read: () => orAbsent(read(callJson('GET', path)), `read ${what}`),
    apply(desired, live) {
      // Forced: our entry is ours, also when somebody's kubectl has written into it.
      const query = { fieldManager: FIELD_MANAGER, force: 'true' };
      // An apply without our owner reference removes it.
      return owner.own({ reference: what, isShared: isShared(live) }, (ownerReferences) => {
        const body = { ...desired, metadata: { ...desired.metadata, ownerReferences } };
        return orFail(read(callJson('PATCH', path, { query, contentType: APPLY, body })), `apply ${what}`);
      });
    },
    replaceEntry(live, index, entry) {
      const body = [
        // Not a test: that would answer 422, and this a conflict as everywhere.
        { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata?.resourceVersion },
        { op: 'replace', path: `/webhooks/${index}`, value: entry },
      ];
      const call = callJson('PATCH', path, { query: { fieldManager: FIELD_MANAGER }, contentType: JSON_PATCH, body });
      return orFail(read(call), `patch ${what}`);
    },
  };
}

/**
 * Events about the Secret `namespace/name`: one for each action and reason, whose count goes up when it happens again,
 * whichever replica it happens to.
 */
export function createEventStore({ callJson }: Pick<Clients, 'callJson'>, namespace: string, name: string): EventStore {
  return {
    async publish({ type, action, reason, note }, { at, count }) {
      const event = { namespace, name: `${name}.${action}.${reason.toLowerCase().replaceAll('_', '-')}` };
      const path = `/api/v1/namespaces/${namespace}/events/${event.name}`;
      const what = `write Event ${namespace}/${event.name}`;
      const before = (await orAbsent(callJson('GET', path), what)) as CoreV1Event | undefined;
      const body = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: event,
        involvedObject: { apiVersion: 'v1', kind: 'Secret', namespace, name },
        ...{ type, action, reason, message: note, lastTimestamp: at },
        firstTimestamp: before?.firstTimestamp ?? at,
        count: (before?.count ?? 0) + count,
        source: { component: FIELD_MANAGER },
      };
      const query = { fieldManager: FIELD_MANAGER, force: 'true' };
      await orFail(callJson('PATCH', path, { query, contentType: APPLY, body }), what);
    },
  };
}

/** Calls back whenever the object may have changed, until the signal is aborted. */
export type WatchObject = (changed: () => void, signal: AbortSignal) => Promise<void>;

export const createSecretWatch =
  ({ watch }: Clients, namespace: string, name: string, log: Log): WatchObject =>
  (changed, signal) =>
    watchObject(watch, { path: `/api/v1/namespaces/${namespace}/secrets`, name, onChange: changed }, { log, signal });

export const createRegistrationWatch =
  ({ watch }: Clients, name: string, log: Log): WatchObject =>
  (changed, signal) =>
    watchObject(
      watch,
      { path: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', name, onChange: changed },
      { log, signal },
    );
