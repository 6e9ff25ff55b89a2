import type { V1ClusterRole, V1OwnerReference } from '@kubernetes/client-node';
import { isOwnerRefused, orAbsent } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { logOncePerOutage } from '../lib/log-once.ts';

export interface OwnedObject {
  /** How messages name it: kind, namespace, name. */
  readonly reference: string;
  /** Objects of others must not be deleted with this install. */
  readonly isShared?: boolean;
}

/**
 * Calls `write` with the owner references of the object: ours, or none when there is no owner or others use the object too.
 * If the API server refuses that change, `write` is called once more, to leave the references as they are.
 *
 * @throws OperatorError what `write` throws; `KUBE_UNAVAILABLE` when the owner cannot be read the first time.
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

/**
 * The owner of the objects that the daemon creates: the ClusterRole of its install. The garbage collector deletes the
 * objects when the ClusterRole is deleted.
 *
 * @see https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
export function createOwner(callJson: CallJson, clusterRole: string, log: Log): WriteOwned {
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
   * behind while the last replica still runs.
   */
  async function ownerReferences(): Promise<V1OwnerReference[] | undefined> {
    try {
      last = [await read()];
      once.recovered(NOT_OWNED);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (last !== undefined) return last;
      // An object that was created without the owner would stay after an uninstall.
      if (error.retryable) throw error;
      once.failed(NOT_OWNED, { clusterRole, ...errorFields(error), next: NEXT });
    }
    return last;
  }
  return async ({ reference, isShared = false }, write) => {
    const owners = await ownerReferences();
    try {
      return await write(isShared ? undefined : owners);
    } catch (error) {
      if (!isOwnerRefused(error)) throw error;
      once.failed('owner not given', { object: reference, ...errorFields(error) });
      return write(isShared ? owners : undefined);
    }
  };
}

const NOT_OWNED = 'what the daemon makes will stay when its install is deleted';
const NEXT =
  '--owner-cluster-role names the ClusterRole of the install; docs/operate.md says how to delete the objects';
