import type { V1ClusterRole, V1OwnerReference } from '@kubernetes/client-node';
import { isOwnerRefused, orAbsent } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { logOncePerOutage } from '../lib/log-once.ts';
import { timings } from '../lib/timings.ts';

export interface OwnedObject {
  /** How messages name it: kind, namespace, name. */
  readonly reference: string;
  /** Objects of others must not be deleted with this install. */
  readonly isShared?: boolean;
  /** The owner references of the live object; absent if the write creates the object. */
  readonly liveOwners?: readonly V1OwnerReference[] | undefined;
}

/**
 * Calls `write` with the owner references of the object: ours, or none when there is no owner or others use the object too.
 * If the API server refuses that change, `write` is called once more, to leave the references as they are.
 *
 * @throws OperatorError what `write` throws; before a create, why the owner cannot be read the first time, if that may pass.
 */
export type WriteOwned = <T>(
  object: OwnedObject,
  write: (ownerReferences: V1OwnerReference[] | undefined) => Promise<T>,
) => Promise<T>;

/** For commands, which create nothing. */
export const withoutOwner: WriteOwned = (_object, write) => write(undefined);

/** What the stores of owned objects need. */
export interface OwnerCalls {
  readonly callJson: CallJson;
  readonly writeOwned?: WriteOwned;
}

export interface OwnerOptions {
  readonly clusterRole: string;
  readonly log: Log;
  /** Milliseconds since the process started. */
  readonly uptimeMs: () => number;
}

/**
 * The owner of the objects that the daemon creates: the ClusterRole of its install. The garbage collector deletes the
 * objects when the ClusterRole is deleted.
 *
 * @see https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
export function createOwner(callJson: CallJson, { clusterRole, log, uptimeMs }: OwnerOptions): WriteOwned {
  const once = logOncePerOutage(log);
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${encodeURIComponent(clusterRole)}`;
  let last: V1OwnerReference[] | undefined;

  async function read(): Promise<V1OwnerReference> {
    const role = await orAbsent(callJson('GET', path), `read ClusterRole ${clusterRole}`);
    if (role === undefined) throw new OperatorError('KUBE_REJECTED', 'there is no such ClusterRole');
    const uid = (role as V1ClusterRole).metadata?.uid ?? '';
    return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: clusterRole, uid };
  }

  /**
   * The ClusterRole is read before each write, because a ClusterRole that was recreated has another uid. When it is gone, the
   * last known uid is used: the garbage collector then deletes the new object too, so that an uninstall leaves nothing
   * behind while the last replica still runs. An update is worth more than its owner: it keeps the reference that is there.
   */
  async function ownerReferences(liveOwners: OwnedObject['liveOwners']): Promise<V1OwnerReference[] | undefined> {
    try {
      last = [await read()];
      once.recovered(NOT_OWNED);
      return last;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (last !== undefined) return last;
      // An object that was created without the owner would stay after an uninstall.
      if (!liveOwners && mayPass(error)) throw error;
      once.failed(NOT_OWNED, { clusterRole, ...errorFields(error), next: NEXT });
      return liveOwners?.filter(isOurs);
    }
  }
  const isOurs = ({ kind, name }: V1OwnerReference): boolean => kind === 'ClusterRole' && name === clusterRole;
  const mayPass = ({ retryable, code }: OperatorError): boolean =>
    retryable || (code === 'KUBE_FORBIDDEN' && uptimeMs() < timings.owner.forbiddenMs);
  return async ({ reference, isShared = false, liveOwners }, write) => {
    const owners = await ownerReferences(liveOwners);
    try {
      return await write(isShared ? undefined : owners);
    } catch (error) {
      if (!isOwnerRefused(error)) throw error;
      once.failed('ownerReference not set', { object: reference, ...errorFields(error) });
      return write(isShared ? owners : undefined);
    }
  };
}

const NOT_OWNED = 'no owner: an uninstall will not delete the objects of the daemon';
const NEXT =
  '--owner-cluster-role names the ClusterRole of the install; docs/operate.md says how to delete the objects';
