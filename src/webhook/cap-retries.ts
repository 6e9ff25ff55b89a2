import { DEFAULT_BACKOFF_LIMIT, type Policy } from '../policy.ts';
import { isOver, type Job, readJob } from './job.ts';
import type { AdmissionRequest, JsonObject } from './review.ts';

/** What was changed, from what to what. */
export interface Change {
  readonly field: 'backoffLimit' | 'restartPolicy';
  readonly from: number | string | undefined;
  readonly to: number | string;
}

/** Why a Job is let through as it is. */
export type AllowReason = 'not-a-job' | 'not-created-or-updated' | 'not-terraform' | 'is-over' | 'already-capped';

export type Decision =
  | { readonly action: 'allow'; readonly reason: AllowReason }
  | {
      readonly action: 'cap';
      readonly job: JsonObject;
      readonly wanted: JsonObject;
      readonly changes: readonly Change[];
    }
  | { readonly action: 'refuse'; readonly problem: string };

/** Decides what becomes of an admission request. Repeats every match condition of the registration. */
export function decide(request: AdmissionRequest, policy: Policy): Decision {
  if (request.resource !== 'batch/v1/jobs') return { action: 'allow', reason: 'not-a-job' };
  const isCreate = request.operation === 'CREATE';
  if (!isCreate && request.operation !== 'UPDATE') return { action: 'allow', reason: 'not-created-or-updated' };
  const job = readJob(request.object);
  if ('problem' in job) return { action: 'refuse', problem: job.problem };
  if (!isTerraform(job, policy)) return { action: 'allow', reason: 'not-terraform' };
  // The status in `object` is whatever the client wrote; the API server replaces it only after admission.
  if (isOver(request.oldObject)) return { action: 'allow', reason: 'is-over' };
  const changes = changesFor(job, policy, isCreate);
  if (changes.length === 0) return { action: 'allow', reason: 'already-capped' };
  return { action: 'cap', job: job.json, wanted: capRetries(job, changes), changes };
}

const isTerraform = (job: Job, { serviceAccountName, containerName }: Policy): boolean =>
  job.serviceAccountName === serviceAccountName && job.containers.some(({ name }) => name === containerName);

function changesFor(job: Job, policy: Policy, isCreate: boolean): Change[] {
  const changes: Change[] = [];
  if ((job.backoffLimit ?? DEFAULT_BACKOFF_LIMIT) > policy.backoffLimit) {
    changes.push({ field: 'backoffLimit', from: job.backoffLimit, to: policy.backoffLimit });
  }
  // The Pod template is immutable: touching it on UPDATE would turn the user's request into a 422.
  if (isCreate && job.restartPolicy !== policy.restartPolicy) {
    changes.push({ field: 'restartPolicy', from: job.restartPolicy, to: policy.restartPolicy });
  }
  return changes;
}

/** The wanted Job. It shares every part with the one received but those on the way to a change. */
function capRetries(job: Job, changes: readonly Change[]): JsonObject {
  const to = (field: Change['field']) =>
    Object.fromEntries(changes.filter((change) => change.field === field).map((change) => [field, change.to]));
  const podSpec = { ...job.podSpec, ...to('restartPolicy') };
  const template = { ...job.template, spec: podSpec };
  return { ...job.json, spec: { ...job.spec, template, ...to('backoffLimit') } };
}
