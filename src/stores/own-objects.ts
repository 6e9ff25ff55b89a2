import { isPaused, MANAGED_BY } from '../certs/secret.ts';
import type { Config } from '../cli/config.ts';
import { orAbsent, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import type { CallJson } from '../kube/requests.ts';
import { WEBHOOK_NAME } from '../registration/desired.ts';
import { isObject } from '../webhook/review.ts';
import { readHolder } from './job-store.ts';

/**
 * One for each registration: daemons that have one of their own have Jobs of their own. By the default names it is
 * terraform-job-webhook-backstop, which stands in manifests/base/rbac-backstop.yaml.
 */
export const backstopLease = (registrationName: string): string =>
  `${registrationName.replace(/-configuration$/, '')}-backstop`;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/ */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** What is to be known of an object to give it to an owner or to remove it. */
export interface OwnObject {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Whether it has the label by which the daemon knows its own. */
  readonly isOurs: boolean;
  /** Whether its label says that it is somebody else's. */
  readonly isOthers: boolean;
  readonly owners: readonly OwnerReference[];
  /** What keeps it from going once it is deleted. */
  readonly finalizers: readonly string[];
  /** A Secret that says that nothing is to be written. */
  readonly isPaused: boolean;
  /** The names of a registration's webhooks. */
  readonly webhooks: readonly string[];
  /** Who holds a Lease, and since when. */
  readonly holder: string | undefined;
  readonly renewedAt: Date | undefined;
}

/** Whether a registration is not ours alone: by the entries that are in it, or by its label. */
export const isShared = ({ webhooks, isOthers }: Pick<OwnObject, 'webhooks' | 'isOthers'>): boolean =>
  webhooks.some((name) => name !== WEBHOOK_NAME) || (webhooks.length > 0 && isOthers);

/** One of the objects that the daemon makes itself. */
export interface OwnStore {
  readonly kind: 'MutatingWebhookConfiguration' | 'Secret' | 'Lease';
  /** How messages name it: kind, namespace, name. */
  readonly reference: string;
  /** @throws OperatorError the `KUBE_…` codes, as the others. */
  read(): Promise<OwnObject | undefined>;
  /** Resolves `false` when it was changed or deleted since it was read, as the next one. */
  delete(seen: OwnObject): Promise<boolean>;
  /** Makes this its owner, or none, in place of one that was given before; those that others have given stay. */
  give(seen: OwnObject, owner: OwnerReference | undefined): Promise<boolean>;
}

export interface OwnObjects {
  readonly registration: OwnStore & {
    /** Takes our entry, where it is in there, and our label out of what is not ours alone. */
    leave(seen: OwnObject): Promise<boolean>;
  };
  readonly secret: OwnStore;
  readonly lease: OwnStore;
}

/** Who has given the owner. A manager of its own, so that no other write takes it out again. */
const OWNER_MANAGER = `${FIELD_MANAGER}/owner`;

/** What the daemon makes itself, under the names that it was told. */
export function createOwnObjects(call: CallJson, config: Config): OwnObjects {
  const { namespace, secretName, registration } = config;
  const admission = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const lease = { namespace, name: backstopLease(registration.name) };
  const webhooks = createOwnStore(call, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    path: `${admission}/${registration.name}`,
    target: { name: registration.name },
  });
  return {
    registration: { ...webhooks, leave: (seen) => leave(call, `${admission}/${registration.name}`, seen) },
    secret: createOwnStore(call, {
      apiVersion: 'v1',
      kind: 'Secret',
      path: `/api/v1/namespaces/${namespace}/secrets/${secretName}`,
      target: { namespace, name: secretName },
    }),
    lease: createOwnStore(call, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${lease.name}`,
      target: lease,
    }),
  };
}

interface Place {
  readonly apiVersion: string;
  readonly kind: OwnStore['kind'];
  readonly path: string;
  readonly target: { readonly namespace?: string; readonly name: string };
}

function createOwnStore(call: CallJson, { apiVersion, kind, path, target }: Place): OwnStore {
  const reference = `${kind} ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}`;
  return {
    kind,
    reference,
    async read() {
      const object = await orAbsent(call('GET', path), `read ${reference}`);
      return object === undefined ? undefined : readOwnObject(object);
    },
    delete: ({ uid, resourceVersion }) =>
      wasWritten(call('DELETE', path, { body: { preconditions: { uid, resourceVersion } } }), `delete ${reference}`),
    give({ uid, resourceVersion }, owner) {
      const body = {
        apiVersion,
        kind,
        metadata: { ...target, uid, resourceVersion, ownerReferences: owner ? [owner] : [] },
      };
      const query = { fieldManager: OWNER_MANAGER, force: 'false' };
      return wasWritten(
        call('PATCH', path, { query, contentType: 'application/apply-patch+yaml', body }),
        `${owner ? 'give' : 'take'} ${reference} ${owner ? 'to' : 'from'} its owner`,
      );
    },
  };
}

function leave(call: CallJson, path: string, seen: OwnObject): Promise<boolean> {
  const [label = ''] = Object.keys(MANAGED_BY);
  const index = seen.webhooks.indexOf(WEBHOOK_NAME);
  const body = [
    // As elsewhere: a version that is not the live one is answered with 409.
    { op: 'replace', path: '/metadata/resourceVersion', value: seen.resourceVersion },
    ...(index === -1 ? [] : [{ op: 'remove', path: `/webhooks/${index}` }]),
    ...(seen.isOurs ? [{ op: 'remove', path: `/metadata/labels/${label.replaceAll('/', '~1')}` }] : []),
  ];
  const query = { fieldManager: FIELD_MANAGER };
  return wasWritten(call('PATCH', path, { query, contentType: 'application/json-patch+json', body }), `patch ${path}`);
}

const CLUSTER_ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';

/** The ClusterRole of the install, as an owner; `undefined` where there is none of that name. */
export async function readClusterRole(call: CallJson, name: string): Promise<OwnerReference | undefined> {
  const role = await orAbsent(call('GET', `${CLUSTER_ROLES}/${encodeURIComponent(name)}`), `read ClusterRole ${name}`);
  if (role === undefined) return undefined;
  const { uid } = readOwnObject(role);
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name, uid };
}

/** Fields that are missing are empty. */
function readOwnObject(object: unknown): OwnObject {
  const { metadata, webhooks, spec } = asObject(object);
  const { uid, resourceVersion, labels, annotations, ownerReferences, finalizers } = asObject(metadata);
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  return {
    uid: String(uid ?? ''),
    resourceVersion: String(resourceVersion ?? ''),
    isOurs: Object.entries(MANAGED_BY).every(([label, value]) => asObject(labels)[label] === value),
    isOthers: Object.entries(MANAGED_BY).some(([label, own]) => (asObject(labels)[label] ?? own) !== own),
    owners: list(ownerReferences) as readonly OwnerReference[],
    finalizers: list(finalizers).map(String),
    isPaused: isPaused({ annotations: asObject(annotations) as Record<string, string> }),
    webhooks: list(webhooks).map((webhook) => String(asObject(webhook).name)),
    ...readHolder(spec),
  };
}

const asObject = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {});

/** Every object, in the order in which they go: nobody is to be sent to an endpoint without its certificate. */
export const inOrder = ({ registration, secret, lease }: OwnObjects): readonly OwnStore[] => [
  registration,
  secret,
  lease,
];
