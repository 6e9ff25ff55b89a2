import type { PolicyFile } from './schema.ts';

/**
 * Which Jobs are capped, and to which limit. The match conditions and the MutatingAdmissionPolicy are generated from
 * the policy.
 */
export type Policy = DeepReadonly<PolicyFile>;
export type Rule = Policy['rules'][number];
/**
 * The conditions of a rule. The rule matches a Job that meets each condition that is set. `match-fields.ts` checks
 * them.
 */
export type Match = Rule['match'];
/** What a rule sets in a Job. `setting-fields.ts` applies it. */
export type Settings = Rule['set'];
export type LabelSelector = NonNullable<Policy['namespaceSelector']>;
export type Labels = Readonly<Record<string, string>>;
export type JobOperation = 'CREATE' | 'UPDATE';

type DeepReadonly<T> = T extends object ? { readonly [Field in keyof T]: DeepReadonly<T[Field]> } : T;

/** The annotation with which a user opts a Job out: with the value "true", no policy changes the Job. */
export const OPT_OUT_ANNOTATION = 'terraform.job.kb.io/keep-retries';

/** The annotation of a changed Job: the rule that changed it, and the values before. */
export const MARK_ANNOTATION = 'terraform.job.kb.io/capped';

/**
 * The built-in policy, for the Jobs of KubeVela's terraform-controller. It also sets `restartPolicy: Never`. With
 * OnFailure, the kubelet can start the container a second time before the Job controller sees the failure. The Job
 * controller then deletes the Pod, and with it the log.
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
