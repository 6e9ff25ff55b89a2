import type { V1Secret } from '@kubernetes/client-node';
import type { StoredSecret } from '../certs/secret.ts';
import { otherWriter } from '../kube/managed-fields.ts';

/** A Secret as the daemon reads it: what is not said is empty. */
export const toStored = ({ metadata, type, immutable, data }: V1Secret): StoredSecret => ({
  uid: metadata?.uid ?? '',
  resourceVersion: metadata?.resourceVersion ?? '',
  type: type ?? '',
  isImmutable: immutable === true,
  labels: metadata?.labels ?? {},
  annotations: metadata?.annotations ?? {},
  data: data ?? {},
  otherWriter: otherWriter(metadata),
});
