/** Which Jobs run once, and what that means. The endpoint's matcher and the CEL conditions below both read it. */
export interface Policy {
  /** The name in log lines and audit annotations. */
  readonly rule: string;
  /** A Job is the rule's when its Pod template has this container … */
  readonly containerName: string;
  /** … and this service account. The Job's own name proves nothing. */
  readonly serviceAccountName: string;
  /** `spec.backoffLimit` is lowered to this, never raised. */
  readonly backoffLimit: number;
  /** Set on CREATE only: the Pod template is immutable afterwards. */
  readonly restartPolicy: 'Never';
}

/**
 * The Jobs of KubeVela's terraform-controller. `restartPolicy: Never` is part of "once": with OnFailure the kubelet
 * starts the container a second time before the Job controller sees the failure, and then deletes the Pod and its log.
 */
export const terraformPolicy: Policy = {
  rule: 'terraform',
  containerName: 'terraform-executor',
  serviceAccountName: 'tf-executor-service-account',
  backoffLimit: 0,
  restartPolicy: 'Never',
};

/** What the API server assumes where a Job says nothing (batch/v1 defaults). */
export const DEFAULT_BACKOFF_LIMIT = 6;

/** One CEL expression of a webhook; all of them must hold before the API server calls. */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/**
 * The policy as CEL, so that the API server calls only for Jobs that need a change. Only functions of the oldest
 * supported CEL environment are used.
 *
 * Whether a Job is finished or being deleted is read from `oldObject`: on CREATE the API server clears a status and a
 * deletionTimestamp only after admission, so a Job that is born "Failed" would slip by a condition on `object`.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
 */
export function matchConditions(policy: Policy): MatchCondition[] {
  const pod = 'object.spec.template.spec';
  return [
    {
      name: 'has-service-account',
      expression: `has(${pod}.serviceAccountName) && ${pod}.serviceAccountName == '${policy.serviceAccountName}'`,
    },
    { name: 'has-container', expression: `${pod}.containers.exists(c, c.name == '${policy.containerName}')` },
    {
      name: 'needs-a-change',
      expression:
        `(has(object.spec.backoffLimit) ? object.spec.backoffLimit : ${DEFAULT_BACKOFF_LIMIT}) > ${policy.backoffLimit}` +
        ` || (request.operation == 'CREATE' && (!has(${pod}.restartPolicy) || ${pod}.restartPolicy != '${policy.restartPolicy}'))`,
    },
    { name: 'not-deleting', expression: `oldObject == null || !has(oldObject.metadata.deletionTimestamp)` },
    {
      name: 'not-finished',
      expression:
        `oldObject == null || !has(oldObject.status) || !has(oldObject.status.conditions)` +
        ` || !oldObject.status.conditions.exists(c, (c.type == 'Complete' || c.type == 'Failed') && c.status == 'True')`,
    },
  ];
}
