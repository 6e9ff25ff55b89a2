import type { V1Secret } from '@kubernetes/client-node';
import { SECRET_TYPE, type StoredSecret } from '../certs/secret.ts';
import type { ObjectMetadata } from '../certs/secret-ownership.ts';
import type { SecretStore } from '../certs/secret-step.ts';
import { orAbsent, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER, otherWriter } from '../kube/managed-fields.ts';
import { asObject } from '../lib/json.ts';
import { type OwnerCalls, withoutOwner } from './owner.ts';

/** Names of the Secret and of the process that writes it. */
export interface SecretPlace {
  readonly namespace: string;
  readonly name: string;
  /**
   * The identity of this process: its host name, a slash and a random suffix. It is part of the field manager with
   * which the process creates the Secret.
   */
  readonly replica: string;
  /** The user's labels and annotations, in addition to the metadata that the daemon sets. */
  readonly metadata?: ObjectMetadata;
}

export const secretsIn = (namespace: string): string => `/api/v1/namespaces/${namespace}/secrets`;

/** Returns the store for the Secret `namespace/name` on the API server. */
export function createSecretStore(
  { callJson, writeOwned = withoutOwner }: OwnerCalls,
  { namespace, name, replica, metadata: extra }: SecretPlace,
): SecretStore {
  const reference = `${namespace}/${name}`;
  const what = `Secret ${reference}`;
  const path = `${secretsIn(namespace)}/${name}`;
  return {
    reference,
    async read() {
      const secret = await orAbsent(callJson('GET', path), `read ${what}`);
      return secret === undefined ? undefined : toStored(secret as V1Secret);
    },
    create({ labels, annotations, data }) {
      // Apply without force and with a field manager per process, so that the second creator gets a 409. A POST would
      // do the same, but RBAC cannot limit a POST to a name.
      const query = { fieldManager: `${FIELD_MANAGER}/${replica}`, force: 'false' };
      return writeOwned({ reference: what }, (ownerReferences) => {
        const body = {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: {
            namespace,
            name,
            labels: { ...extra?.labels, ...labels },
            annotations: { ...extra?.annotations, ...withoutNull(annotations) },
            ownerReferences,
          },
          type: SECRET_TYPE,
          // Omit data keys whose value is null, because the API server would store null in a new object as an empty
          // value.
          data: withoutNull(data),
        };
        return wasWritten(callJson('PATCH', path, { patch: 'apply', query, body }), `create ${what}`);
      });
    },
    update({ labels, annotations, data }, resourceVersion) {
      const query = { fieldManager: FIELD_MANAGER };
      return writeOwned({ reference: what, liveOwners: [] }, (ownerReferences) => {
        const metadata = {
          resourceVersion,
          labels: { ...extra?.labels, ...labels },
          annotations: { ...extra?.annotations, ...annotations },
          ownerReferences,
        };
        const body = { metadata, data };
        // A strategic merge patch keeps other owner references; a JSON merge patch would replace the whole list.
        return wasWritten(callJson('PATCH', path, { patch: 'strategic-merge', query, body }), `update ${what}`);
      });
    },
    async delete({ uid, resourceVersion }) {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } };
      const answer = callJson('DELETE', path, { body });
      if (!(await wasWritten(answer, `delete ${what}`))) return false;
      // If the Secret has finalizers, the API server answers the DELETE call with the Secret, which still exists.
      return asObject(asObject(await answer).metadata).deletionTimestamp === undefined;
    },
  };
}

/** Returns the fields of the Secret that the daemon reads, with empty values for missing fields. */
const toStored = ({ metadata, type, immutable, data }: V1Secret): StoredSecret => ({
  uid: metadata?.uid ?? '',
  resourceVersion: metadata?.resourceVersion ?? '',
  type: type ?? '',
  isImmutable: immutable === true,
  deletionWaitsFor: metadata?.deletionTimestamp === undefined ? undefined : (metadata.finalizers ?? []),
  labels: metadata?.labels ?? {},
  annotations: metadata?.annotations ?? {},
  data: data ?? {},
  otherWriter: otherWriter(metadata),
});

const withoutNull = (fields: Readonly<Record<string, string | null>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));
