import type { PolicyFile } from './schema.ts';

/** Which Jobs are kept from retrying, and how far. Each form of the policy is made from this. */
export type Policy = DeepReadonly<PolicyFile>;
export type Rule = Policy['rules'][number];
/** What a Job must be like: every field that is given must hold. `match-fields.ts` says how each field is checked. */
export type Match = Rule['match'];
/** What a rule sets in a Job. `setting-fields.ts` says how. */
export type Settings = Rule['set'];
export type LabelSelector = NonNullable<Policy['namespaceSelector']>;
export type Labels = Readonly<Record<string, string>>;
export type JobOperation = 'CREATE' | 'UPDATE';

type DeepReadonly<T> = T extends object ? { readonly [Field in keyof T]: DeepReadonly<T[Field]> } : T;

/** A Job with this annotation and the value "true" is never changed, whatever the policy. */
export const OPT_OUT_ANNOTATION = 'terraform.job.kb.io/keep-retries';

/**
 * The Jobs of KubeVela's terraform-controller. `restartPolicy: Never` is part of "once": with OnFailure the kubelet
 * starts the container a second time before the Job controller sees the failure, and then deletes the Pod and its log.
 */
export const terraformPolicy: Policy = {
  rules: [
    {
      name: 'terraform',
      match: { serviceAccountName: 'tf-executor-service-account', containerName: 'terraform-executor' },
      set: { backoffLimit: 0, restartPolicy: 'Never' },
    },
  ],
};
