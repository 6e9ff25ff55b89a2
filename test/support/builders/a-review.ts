import { aTerraformJob, type Json } from './a-job.ts';

/** Fields of the AdmissionRequest to replace. `undefined` removes the field. */
export type RequestFields = { readonly [field: string]: unknown };

/** Returns an AdmissionReview as the API server sends it. Default: CREATE of a Job of terraform-controller. */
export function aReview(fields: RequestFields = {}): Json {
  const object: Json = 'object' in fields ? fields.object : aTerraformJob();
  const review = {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: '4b4f2f11-0000-4000-8000-3f1f9b3ef8e5',
      kind: { group: 'batch', version: 'v1', kind: 'Job' },
      resource: { group: 'batch', version: 'v1', resource: 'jobs' },
      requestKind: { group: 'batch', version: 'v1', kind: 'Job' },
      requestResource: { group: 'batch', version: 'v1', resource: 'jobs' },
      name: object?.metadata?.name,
      namespace: 'team-a',
      operation: 'CREATE',
      userInfo: { username: 'system:serviceaccount:vela-system:tf-controller-service-account' },
      object,
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      ...fields,
    },
  };
  return JSON.parse(JSON.stringify(review));
}

/** Returns an AdmissionReview for an UPDATE that by default changes no field that the policy reads. */
export const anUpdate = (fields: RequestFields = {}): Json => {
  const object = 'object' in fields ? fields.object : aTerraformJob();
  return aReview({ operation: 'UPDATE', oldObject: object, ...fields, object });
};
