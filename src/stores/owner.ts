import type { V1ClusterRole, V1OwnerReference } from '@kubernetes/client-node';
import { isOwnerRefused, orAbsent } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { logOncePerOutage } from '../lib/log-once.ts';
import { timings } from '../lib/timings.ts';

/** An object that the daemon is about to write, as far as the choice of its owner reference depends on it. */
export interface OwnedObject {
  /** Kind, namespace and name, for log messages. */
  readonly reference: string;
  /**
   * Whether other writers use the object too. A shared object gets no owner reference, so an uninstall does not delete
   * it.
   */
  readonly isShared?: boolean;
  /** The owner references of the live object; absent if the write creates the object. */
  readonly liveOwners?: readonly V1OwnerReference[] | undefined;
}

/**
 * Calls `write` with the owner reference to the ClusterRole, or without one if the object is shared or the ClusterRole
 * was never read. If the API server refuses the change of the owner reference, `write` is called once more without that
 * change.
 *
 * @throws OperatorError the error of `write`. If the object does not exist yet and the ClusterRole was never read, also
 * a temporary error of the read of the ClusterRole.
 */
export type WriteOwned = <T>(
  object: OwnedObject,
  write: (ownerReferences: V1OwnerReference[] | undefined) => Promise<T>,
) => Promise<T>;

/** Writes without an owner reference. For subcommands, which create no objects. */
export const withoutOwner: WriteOwned = (_object, write) => write(undefined);

/** The functions that a store needs to write objects with an owner reference. */
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
 * Returns a function that makes the ClusterRole of the install the owner of each object that the daemon writes. The
 * garbage collector deletes the objects after the ClusterRole.
 *
 * @see https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
export function createOwner(callJson: CallJson, { clusterRole, log, uptimeMs }: OwnerOptions): WriteOwned {
  const once = logOncePerOutage(log);
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${encodeURIComponent(clusterRole)}`;
  let last: V1OwnerReference[] | undefined;

  async function read(): Promise<V1OwnerReference> {
    const role = await orAbsent(callJson('GET', path), `read ClusterRole ${clusterRole}`);
    if (role === undefined) throw new OperatorError('KUBE_REJECTED', `ClusterRole ${clusterRole} not found`);
    const uid = (role as V1ClusterRole).metadata?.uid ?? '';
    return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: clusterRole, uid };
  }

  /**
   * Returns the owner reference with the current uid of the ClusterRole, because a recreated ClusterRole has another
   * uid.
   *
   * If the ClusterRole cannot be read, for example after an uninstall, returns the last known owner reference. An
   * object that a replica creates after the uninstall then has a deleted owner, so the garbage collector deletes the
   * object too.
   *
   * If no read has succeeded yet, an update keeps the live owner reference.
   */
  async function ownerReferences(liveOwners: OwnedObject['liveOwners']): Promise<V1OwnerReference[] | undefined> {
    try {
      last = [await read()];
      once.recovered(NOT_OWNED);
      return last;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (last !== undefined) return last;
      // An uninstall would not delete an object without an owner, so a create waits until the ClusterRole can be read.
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

const NOT_OWNED = 'cannot read the owner: an uninstall may not delete the objects of the daemon';
const NEXT =
  'set --owner-cluster-role to the ClusterRole of the install; docs/how-to/uninstall.md explains how to delete the objects';
