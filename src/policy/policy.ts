/** Which Jobs are held back from retrying, and how far. Everything that decides about a Job is made from this. */
export interface Policy {
  /** The first one that matches a Job decides about it. */
  readonly rules: readonly Rule[];
}

export interface Rule {
  /** The name in log lines, audit annotations and warnings: a DNS label. */
  readonly name: string;
  readonly match: Match;
  readonly set: Settings;
}

export type Labels = Readonly<Record<string, string>>;

export type JobOperation = 'CREATE' | 'UPDATE';

/** What a Job has to be like. All that is given must hold; what is not given holds for every Job. */
export interface Match {
  /** Names, or patterns in which `*` stands for any text. */
  readonly namespaces?: readonly string[] | undefined;
  /** Labels of the Job's namespace. Neither an AdmissionReview nor CEL of a webhook knows them: see `decide`. */
  readonly namespaceLabels?: Labels | undefined;
  /** A pattern. On CREATE with `generateName` a Job has no name yet, which counts as an empty one. */
  readonly jobName?: string | undefined;
  /** Labels of the Job itself. */
  readonly labels?: Labels | undefined;
  readonly serviceAccountName?: string | undefined;
  /** That of a container of the Pod template; init containers do not count. */
  readonly containerName?: string | undefined;
}

export interface Settings {
  /** `spec.backoffLimit` is lowered to this, never raised. */
  readonly backoffLimit: number;
  /** `Never` is set on CREATE only: the Pod template is immutable afterwards. */
  readonly restartPolicy: 'Never' | 'Keep';
}

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

/** A Job with this annotation, and "true" in it, is never changed, whatever the policy. */
export const OPT_OUT_ANNOTATION = 'terraform.job.kb.io/keep-retries';

/** What the API server assumes where a Job says nothing (batch/v1 defaults). */
export const DEFAULT_BACKOFF_LIMIT = 6;

export const LARGEST_BACKOFF_LIMIT = 2_147_483_647;

/**
 * Whether a text is what a pattern describes. `*` stands for any text, also none; nothing else is special. In time
 * proportional to the lengths: a name is looked at before the API server has checked it, and a client may send megabytes.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}
