import type { V1ManagedFieldsEntry, V1ObjectMeta } from '@kubernetes/client-node';

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

/**
 * Whether a daemon has written every field of a value, as far as the API server knows: what somebody else has changed
 * or taken out is not the daemon's any more. A list counts as one field, unless its items are told apart by their names.
 *
 * @param path of the value among the fields, as `fieldsV1` spells it.
 */
export function wroteAll(metadata: V1ObjectMeta | undefined, path: readonly string[], value: object): boolean {
  const written = (metadata?.managedFields ?? [])
    .filter(isOfDaemon)
    .map(({ fieldsV1 }) => path.reduce<unknown>(within, fieldsV1));
  return ownsAll(written, value);
}

/** @param written what each entry of the daemon's tells of the value. */
function ownsAll(written: readonly unknown[], value: object): boolean {
  return Object.entries(value).every(([field, part]) => {
    const below = allWithin(written, `f:${field}`);
    if (Array.isArray(part)) return below.length > 0 && ownsItems(below, part);
    return below.length > 0 && (typeof part !== 'object' || part === null || ownsAll(below, part));
  });
}

function ownsItems(written: readonly unknown[], items: readonly unknown[]): boolean {
  const isOne = written.every((fields) => !Object.keys(fields as object).some((key) => key.startsWith('k:')));
  return isOne || items.every((item) => ownsItem(written, item as { readonly name?: unknown }));
}

function ownsItem(written: readonly unknown[], item: { readonly name?: unknown }): boolean {
  const below = allWithin(written, `k:${JSON.stringify({ name: item.name })}`);
  return below.length > 0 && ownsAll(below, item);
}

const allWithin = (written: readonly unknown[], key: string): unknown[] =>
  written.map((fields) => within(fields, key)).filter((fields) => fields !== undefined);

const within = (fields: unknown, key: string): unknown =>
  typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>)[key] : undefined;
