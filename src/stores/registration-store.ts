import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { orAbsent, orConflict, orFail } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { OperatorError } from '../lib/errors.ts';
import { type DesiredRegistration, isShared, ownWebhook } from '../registration/desired.ts';
import type { RegistrationStore } from '../registration/registration-step.ts';
import { type OwnerCalls, withoutOwner } from './owner.ts';

export const REGISTRATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

/**
 * Returns the store for the MutatingWebhookConfiguration `name` on the API server.
 *
 * @param replica the identity of this process: part of the field manager with which it creates the object.
 */
export function createRegistrationStore(
  { callJson, writeOwned = withoutOwner }: OwnerCalls,
  { name, replica }: { readonly name: string; readonly replica: string },
): RegistrationStore {
  const path = `${REGISTRATIONS}/${name}`;
  const what = `MutatingWebhookConfiguration ${name}`;
  const typed = (call: Promise<unknown>) => call as Promise<V1MutatingWebhookConfiguration>;

  /**
   * Creates the object without the daemon's webhook, so that the write of the webhook carries a resourceVersion. A POST
   * would fail if the object exists already, but RBAC cannot limit a POST to a name.
   *
   * @throws OperatorError `KUBE_CONFLICT` if another replica has created the webhook meanwhile.
   */
  async function create({ apiVersion, kind }: DesiredRegistration): Promise<V1MutatingWebhookConfiguration> {
    // With the field manager of the other writes, this apply would remove the webhook of another replica.
    const query = { fieldManager: `${FIELD_MANAGER}/${replica}`, force: 'false' };
    const body = { apiVersion, kind, metadata: { name } };
    const created = await orFail(typed(callJson('PATCH', path, { patch: 'apply', query, body })), `create ${what}`);
    if (ownWebhook(created) === undefined) return created;
    throw new OperatorError('KUBE_CONFLICT', `${what} has been created by another replica`);
  }
  return {
    read: () => orAbsent(typed(callJson('GET', path)), `read ${what}`),
    async apply(desired, live) {
      const { resourceVersion } = (live ?? (await create(desired))).metadata ?? {};
      // Force takes over fields of the daemon's webhook that another field manager, such as kubectl edit, has changed.
      const query = { fieldManager: FIELD_MANAGER, force: 'true' };
      // An apply without the daemon's owner reference would remove that reference from the live object.
      const liveOwners = live && (live.metadata?.ownerReferences ?? []);
      return writeOwned({ reference: what, isShared: isShared(live), liveOwners }, (ownerReferences) => {
        const body = { ...desired, metadata: { ...desired.metadata, resourceVersion, ownerReferences } };
        return orFail(typed(callJson('PATCH', path, { patch: 'apply', query, body })), `apply ${what}`);
      });
    },
    replaceEntry(live, index, entry) {
      const query = { fieldManager: FIELD_MANAGER };
      const body = [
        // This operation makes the API server answer 409 if the resourceVersion is stale, as it does for an update. A
        // failed `test` operation of JSON Patch would give 422.
        { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata?.resourceVersion },
        { op: 'replace', path: `/webhooks/${index}`, value: entry },
      ];
      return orConflict(typed(callJson('PATCH', path, { patch: 'json', query, body })), `patch ${what}`);
    },
  };
}
