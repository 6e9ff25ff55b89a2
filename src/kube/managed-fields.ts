import type { V1ManagedFieldsEntry, V1ObjectMeta } from '@kubernetes/client-node';
import { asObject } from '../lib/json.ts';

/** The daemon's name in `managedFields`. Creating the Secret or the Lease adds a slash and the name of the replica. */
export const FIELD_MANAGER = 'terraform-daemon';

const isOfDaemon = ({ manager }: V1ManagedFieldsEntry): boolean => manager?.split('/')[0] === FIELD_MANAGER;

/**
 * Returns the last field manager other than the daemon that wrote the object, or `undefined` if there is none.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export function otherWriter(metadata: V1ObjectMeta | undefined): string | undefined {
  const others = (metadata?.managedFields ?? []).filter((entry) => !isOfDaemon(entry));
  const timeOf = ({ time }: (typeof others)[number]) => (time ? new Date(time).getTime() : 0);
  return others.toSorted((one, other) => timeOf(other) - timeOf(one))[0]?.manager;
}

/**
 * Returns whether `managedFields` lists the daemon as the owner of a field. A field that another manager has changed
 * since has a different owner.
 */
export const wroteField = (metadata: V1ObjectMeta | undefined, path: readonly string[]): boolean =>
  (metadata?.managedFields ?? [])
    .filter(isOfDaemon)
    .some(({ fieldsV1 }) => path.reduce<unknown>((fields, key) => asObject(fields)[key], fieldsV1) !== undefined);
