import type { PolicyFile } from './schema.ts';

/** Which Jobs are capped, and to which limit. The match conditions and the MutatingAdmissionPolicy are made from it. */
export type Policy = DeepReadonly<PolicyFile>;
export type Rule = Policy['rules'][number];
/** The conditions of a rule. A Job must meet each one that is set. `match-fields.ts` checks them. */
export type Match = Rule['match'];
/** What a rule sets in a Job. `setting-fields.ts` applies it. */
export type Settings = Rule['set'];
export type LabelSelector = NonNullable<Policy['namespaceSelector']>;
export type Labels = Readonly<Record<string, string>>;
export type JobOperation = 'CREATE' | 'UPDATE';

type DeepReadonly<T> = T extends object ? { readonly [Field in keyof T]: DeepReadonly<T[Field]> } : T;

/** No policy changes a Job whose annotation of this name has the value "true". */
export const OPT_OUT_ANNOTATION = 'terraform.job.kb.io/keep-retries';

/**
 * The built-in policy, for the Jobs of KubeVela's terraform-controller. It also sets `restartPolicy: Never`: with
 * OnFailure the kubelet starts the container a second time before the Job controller sees the failure, and then
 * deletes the Pod and its log.
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
