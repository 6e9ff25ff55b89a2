import { jsonPatch, matchConditions } from './cel.ts';
import type { Policy } from './policy.ts';

export const admissionPolicyVersions = ['v1', 'v1beta1'] as const;

export type AdmissionPolicyVersion = (typeof admissionPolicyVersions)[number];

/** The name of the MutatingAdmissionPolicy and of its binding. */
export const ADMISSION_POLICY_NAME = 'run-once.terraform.job.kb.io';

/**
 * Returns the policy as a MutatingAdmissionPolicy and its binding. With these two objects the API server caps Jobs
 * without a webhook.
 *
 * The failurePolicy `Fail` denies a Job if the API server cannot evaluate the policy. It is used because such a failure
 * is unlikely: the evaluation needs no endpoint, and each expression checks an optional field with `has()` before it
 * reads the field.
 *
 * @param version v1 for Kubernetes 1.36 and later; v1beta1 for 1.34 and 1.35, which need a feature gate and
 * `--runtime-config`.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */
export function admissionPolicy(policy: Policy, version: AdmissionPolicyVersion): readonly [object, object] {
  const apiVersion = `admissionregistration.k8s.io/${version}`;
  const metadata = { name: ADMISSION_POLICY_NAME };
  return [
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata,
      spec: {
        failurePolicy: 'Fail',
        reinvocationPolicy: 'IfNeeded',
        matchConstraints: {
          resourceRules: [
            { apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['jobs'] },
          ],
          ...(policy.namespaceSelector ? { namespaceSelector: policy.namespaceSelector } : {}),
        },
        matchConditions: matchConditions(policy),
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: jsonPatch(policy) } }],
      },
    },
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: ADMISSION_POLICY_NAME },
    },
  ];
}
