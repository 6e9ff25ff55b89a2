import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { orAbsent, orConflict, orFail } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { isShared } from '../registration/desired.ts';
import type { RegistrationStore } from '../registration/registration-step.ts';
import { type OwnerCalls, withoutOwner } from './owner.ts';

export const REGISTRATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

/** Returns the store for the MutatingWebhookConfiguration `name` on the API server. */
export function createRegistrationStore(
  { callJson, writeOwned = withoutOwner }: OwnerCalls,
  name: string,
): RegistrationStore {
  const path = `${REGISTRATIONS}/${name}`;
  const what = `MutatingWebhookConfiguration ${name}`;
  const typed = (call: Promise<unknown>) => call as Promise<V1MutatingWebhookConfiguration>;
  return {
    read: () => orAbsent(typed(callJson('GET', path)), `read ${what}`),
    apply(desired, live) {
      // Force takes over fields of the daemon's webhook that another field manager, such as kubectl edit, has changed.
      const query = { fieldManager: FIELD_MANAGER, force: 'true' };
      // An apply without the daemon's owner reference would remove that reference from the live object.
      const liveOwners = live && (live.metadata?.ownerReferences ?? []);
      return writeOwned({ reference: what, isShared: isShared(live), liveOwners }, (ownerReferences) => {
        const body = { ...desired, metadata: { ...desired.metadata, ownerReferences } };
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
