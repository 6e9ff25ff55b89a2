import type { V1Lease } from '@kubernetes/client-node';
import { MANAGED_BY } from '../certs/secret.ts';
import { orAbsent, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { type OwnerCalls, withoutOwner } from './owner.ts';

/** The Lease as far as the daemon reads it. */
export interface Lease {
  /** `undefined` after it was released. */
  readonly holder: string | undefined;
  readonly renewedAt: Date | undefined;
  readonly resourceVersion: string;
}

export interface LeaseStore {
  /** @throws OperatorError the `KUBE_…` codes, as the others. */
  read(): Promise<Lease | undefined>;
  /** Resolves `false` when somebody else was first. */
  create(holder: string, now: Date): Promise<boolean>;
  /** Takes, renews or (with `undefined`) releases the Lease. Resolves `false` when it has changed since it was read. */
  write(holder: string | undefined, resourceVersion: string, now: Date): Promise<boolean>;
}

/**
 * One for each registration: daemons that have one of their own have Jobs of their own. By the default names it is
 * terraform-job-webhook-backstop, which is named in manifests/base/rbac.yaml.
 */
export const backstopLease = (registrationName: string): string =>
  `${registrationName.replace(/-configuration$/, '')}-backstop`;

/** The Lease `namespace/name` on the API server. */
export function createLeaseStore(
  { callJson: call, writeOwned = withoutOwner }: OwnerCalls,
  { namespace, name, validMs }: { readonly namespace: string; readonly name: string; readonly validMs: number },
): LeaseStore {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  const what = `Lease ${namespace}/${name}`;
  const spec = (holder: string | undefined, now: Date) => ({
    holderIdentity: holder ?? null,
    leaseDurationSeconds: validMs / 1000,
    // The API server expects microseconds.
    renewTime: now.toISOString().replace('Z', '000Z'),
  });
  return {
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
      // The same apply as for the Secret: RBAC cannot limit a POST to a name, and the second creator gets a 409.
      const query = { fieldManager: `${FIELD_MANAGER}/${holder}`, force: 'false' };
      return writeOwned({ reference: what }, (ownerReferences) => {
        const body = {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace, name, labels: MANAGED_BY, ownerReferences },
          spec: spec(holder, now),
        };
        return wasWritten(call('PATCH', path, { patch: 'apply', query, body }), `create ${what}`);
      });
    },
    write(holder, resourceVersion, now) {
      const body = { metadata: { resourceVersion }, spec: spec(holder, now) };
      const query = { fieldManager: FIELD_MANAGER };
      return wasWritten(call('PATCH', path, { patch: 'merge', query, body }), `write ${what}`);
    },
  };
}
