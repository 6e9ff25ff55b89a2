import type { V1ObjectMeta } from '@kubernetes/client-node';

/** Who the daemon is in `managedFields`; what creates the Secret adds the replica after a slash. */
export const FIELD_MANAGER = 'terraform-daemon';

/**
 * The field manager beside the daemon that wrote an object last, or `undefined` when nobody did.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export function otherWriter(metadata: V1ObjectMeta | undefined): string | undefined {
  const others = (metadata?.managedFields ?? []).filter(({ manager }) => manager?.split('/')[0] !== FIELD_MANAGER);
  const timeOf = ({ time }: (typeof others)[number]) => (time ? new Date(time).getTime() : 0);
  return others.toSorted((one, other) => timeOf(other) - timeOf(one))[0]?.manager;
}
