import type { JsonObject } from '../../lib/json.ts';
import { decide } from '../../policy/decide.ts';
import { LARGEST_BACKOFF_LIMIT, readJob } from '../../policy/job.ts';
import { MARK_ANNOTATION, type Policy, type Settings } from '../../policy/policy.ts';
import { isOptedOut } from '../../policy/setting-fields.ts';

/** The values that the policy sets in a Job; a field is missing if the policy does not change it. */
export type Wanted = Partial<Readonly<Record<keyof Settings, number | string>>>;

const SENT = { backoffLimit: LARGEST_BACKOFF_LIMIT, restartPolicy: 'OnFailure' } as const;

/**
 * Returns the Job that `check` sends as a dry run: the fields of a Job of terraform-controller that a policy reads,
 * and what the API server requires.
 */
export const sampleJob = (namespace: string): JsonObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'terraform-daemon-check-apply', namespace },
  spec: {
    backoffLimit: SENT.backoffLimit,
    template: {
      spec: {
        serviceAccountName: 'tf-executor-service-account',
        restartPolicy: SENT.restartPolicy,
        containers: [{ name: 'terraform-executor', image: 'oamdev/docker-terraform:1.1.4' }],
      },
    },
  },
});

/** Returns what the policy sets in the sample Job; `undefined` if no rule matches the Job. */
export function wantedBy(policy: Policy, namespace: string): Wanted | undefined {
  const request = { resource: 'batch/v1/jobs', operation: 'CREATE', namespace, oldObject: null };
  const decision = decide({ ...request, object: sampleJob(namespace) }, policy);
  if (decision.action !== 'cap') return undefined;
  return Object.fromEntries(decision.changes.map(({ field, to }) => [field, to]));
}

/** The Job that the API server returned for the sample Job. */
export interface ReturnedJob {
  readonly backoffLimit: unknown;
  readonly restartPolicy: unknown;
  /** Whether another webhook has added the annotation that opts a Job out. */
  readonly isOptedOut: boolean;
  /** Whether the Job has the annotation that the policy adds to a changed Job. */
  readonly isMarked: boolean;
}

export function returnedJob(object: unknown): ReturnedJob {
  const job = readJob(object);
  if ('problem' in job)
    return { backoffLimit: undefined, restartPolicy: undefined, isOptedOut: false, isMarked: false };
  const { backoffLimit, restartPolicy, annotations } = job;
  const isMarked = Object.hasOwn(annotations, MARK_ANNOTATION);
  return { backoffLimit, restartPolicy, isOptedOut: isOptedOut(job), isMarked };
}

/** Returns whether both fields came back as they were sent. */
export const isUnchanged = ({ backoffLimit, restartPolicy }: ReturnedJob): boolean =>
  backoffLimit === SENT.backoffLimit && restartPolicy === SENT.restartPolicy;

/** Returns whether the Job has each value that the policy sets. */
export const isAsWanted = (job: ReturnedJob, wanted: Wanted): boolean =>
  Object.entries(wanted).every(([field, value]) => job[field as keyof Wanted] === value);
