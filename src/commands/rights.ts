import type { V1ResourceAttributes, V1SelfSubjectAccessReview } from '@kubernetes/client-node';
import { orFail } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';

/** Returns whether the current user has a right. Every user may ask for the own rights. */
export async function isAllowed(callJson: CallJson, resourceAttributes: V1ResourceAttributes): Promise<boolean> {
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  };
  const call = callJson('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body });
  const { status } = (await orFail(call, 'ask for the rights of the user')) as V1SelfSubjectAccessReview;
  return status?.allowed === true;
}
