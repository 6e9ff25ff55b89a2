import type { V1Lease } from '@kubernetes/client-node';
import { MANAGED_BY, type ObjectMetadata } from '../certs/secret-ownership.ts';
import { orAbsent, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { type OwnerCalls, withoutOwner } from './owner.ts';

/** The fields of the Lease that the daemon reads. */
export interface Lease {
  /** The identity of the replica that holds the Lease; `undefined` after a release. */
  readonly holder: string | undefined;
  readonly renewedAt: Date | undefined;
  readonly resourceVersion: string;
}

/** Access to the Lease. Each function rejects with an OperatorError that has a `KUBE_…` code. */
export interface LeaseStore {
  /** `namespace/name`, for messages. */
  readonly reference: string;
  /** Resolves with `undefined` if the Lease does not exist. */
  read(): Promise<Lease | undefined>;
  /** Creates the Lease. Resolves with `false` if another replica created it first. */
  create(holder: string, now: Date): Promise<boolean>;
  /**
   * Takes, renews or (with `undefined`) releases the Lease. Resolves with `false` if it has changed since it was read.
   */
  write(holder: string | undefined, resourceVersion: string, now: Date): Promise<boolean>;
}

/**
 * Returns the name of the Lease, one for each registration. With the default registration it is
 * terraform-job-webhook-backstop; manifests/base/rbac.yaml contains that name.
 */
export const backstopLease = (registrationName: string): string =>
  `${registrationName.replace(/-configuration$/, '')}-backstop`;

/** Names of the Lease, and how it is written. */
interface LeasePlace {
  readonly namespace: string;
  readonly name: string;
  readonly validMs: number;
  /** The user's labels and annotations, in addition to the metadata that the daemon sets. */
  readonly metadata?: ObjectMetadata;
}

/** Returns the store for the Lease `namespace/name` on the API server. */
export function createLeaseStore(
  { callJson: call, writeOwned = withoutOwner }: OwnerCalls,
  { namespace, name, validMs, metadata: extra }: LeasePlace,
): LeaseStore {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  const reference = `${namespace}/${name}`;
  const what = `Lease ${reference}`;
  const spec = (holder: string | undefined, now: Date) => ({
    holderIdentity: holder ?? null,
    leaseDurationSeconds: validMs / 1000,
    // The type MicroTime of `renewTime` has microseconds.
    renewTime: now.toISOString().replace('Z', '000Z'),
  });
  return {
    reference,
    async read() {
      const lease = (await orAbsent(call('GET', path), `read ${what}`)) as V1Lease | undefined;
      if (lease === undefined) return undefined;
      const { holderIdentity, renewTime } = lease.spec ?? {};
      return {
        holder: holderIdentity || undefined,
        renewedAt: renewTime && new Date(renewTime),
        resourceVersion: lease.metadata?.resourceVersion ?? '',
      };
    },
    create(holder, now) {
      // Apply without force and with a field manager per process, so that the second creator gets a 409. A POST would
      // do the same, but RBAC cannot limit a POST to a name.
      const query = { fieldManager: `${FIELD_MANAGER}/${holder}`, force: 'false' };
      return writeOwned({ reference: what }, (ownerReferences) => {
        const body = {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace, name, ...extra, labels: { ...extra?.labels, ...MANAGED_BY }, ownerReferences },
          spec: spec(holder, now),
        };
        return wasWritten(call('PATCH', path, { patch: 'apply', query, body }), `create ${what}`);
      });
    },
    write(holder, resourceVersion, now) {
      // A policy that demands labels also checks the updates of a Lease that an earlier version created without them.
      const body = { metadata: { ...extra, resourceVersion }, spec: spec(holder, now) };
      const query = { fieldManager: FIELD_MANAGER };
      return wasWritten(call('PATCH', path, { patch: 'merge', query, body }), `write ${what}`);
    },
  };
}
