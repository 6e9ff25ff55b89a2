import type { V1ManagedFieldsEntry, V1ObjectMeta } from '@kubernetes/client-node';
import { asObject } from '../lib/json.ts';

/** Who the daemon is in `managedFields`; what creates the Secret adds the replica after a slash. */
export const FIELD_MANAGER = 'terraform-daemon';

const isOfDaemon = ({ manager }: V1ManagedFieldsEntry): boolean => manager?.split('/')[0] === FIELD_MANAGER;

/**
 * The field manager beside the daemon that wrote an object last, or `undefined` when nobody did.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export function otherWriter(metadata: V1ObjectMeta | undefined): string | undefined {
  const others = (metadata?.managedFields ?? []).filter((entry) => !isOfDaemon(entry));
  const timeOf = ({ time }: (typeof others)[number]) => (time ? new Date(time).getTime() : 0);
  return others.toSorted((one, other) => timeOf(other) - timeOf(one))[0]?.manager;
}

/** Whether the daemon owns a field, as `managedFields` lists it: a field that somebody else has changed since is not its own. */
export const wroteField = (metadata: V1ObjectMeta | undefined, path: readonly string[]): boolean =>
  (metadata?.managedFields ?? [])
    .filter(isOfDaemon)
    .some(({ fieldsV1 }) => path.reduce<unknown>((fields, key) => asObject(fields)[key], fieldsV1) !== undefined);
