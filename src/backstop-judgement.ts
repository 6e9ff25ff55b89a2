import type { Labels, Policy } from './policy.ts';
import { type Decision, decide } from './webhook/cap-retries.ts';
import { isOver } from './webhook/job.ts';
import { isObject, type JsonObject } from './webhook/review.ts';

/** Which Jobs that the endpoint has missed are capped: every one, those made after the start alone, or none. */
export type Heal = 'all' | 'new' | 'off';

/** One Job, as it was at one moment: a write guarded by this is for no other. */
export interface JobReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export type JobVerdict =
  | { readonly action: 'leave' }
  /** It depends on the labels of its namespace. */
  | { readonly action: 'ask'; readonly namespace: string }
  /** It is retried more often than the policy wants. */
  | { readonly action: 'cap'; readonly job: JobReference; readonly from: number | undefined; readonly to: number }
  /** It has failed and is not retried because of the policy: somebody will want to know. */
  | { readonly action: 'explain'; readonly job: JobReference; readonly isLogKept: boolean };

export interface Circumstances {
  readonly policy: Policy;
  /** Those of the Job's namespace, where they are known. */
  readonly namespaceLabels?: Labels | undefined;
  readonly heal: Heal;
  /** When the daemon was started. */
  readonly startedAt: Date;
  readonly now: Date;
}

/** Well below the hour for which the API server keeps an Event: who looks again after that must not tell again. */
const NEWS_MS = 10 * 60_000;

const leave: JobVerdict = { action: 'leave' };

/** Judges a stored Job, by the rule of the endpoint. Never throws: what is no Job is left alone. */
export function judgeJob(stored: unknown, circumstances: Circumstances): JobVerdict {
  const job = isObject(stored) ? referenceOf(stored) : undefined;
  if (job === undefined || !isObject(stored) || isLeftAlone(stored)) return leave;
  if (isOver(stored)) return judgeFailed(stored, job, circumstances);
  if (!isHealed(stored, circumstances)) return leave;
  const decision = decideOn(stored, job, circumstances);
  if (isUnknown(decision)) return { action: 'ask', namespace: job.namespace };
  const change = decision.action === 'cap' ? decision.changes.find(({ field }) => field === 'backoffLimit') : undefined;
  if (typeof change?.to !== 'number') return leave;
  return { action: 'cap', job, from: typeof change.from === 'number' ? change.from : undefined, to: change.to };
}

const isUnknown = (decision: Decision): boolean =>
  decision.action === 'allow' && decision.reason === 'namespace-unknown';

function judgeFailed(stored: JsonObject, job: JobReference, circumstances: Circumstances): JobVerdict {
  const { now } = circumstances;
  const failedAt = failureOf(stored);
  if (failedAt === undefined || now.getTime() - failedAt > NEWS_MS) return leave;
  // What ran is asked about, so it is judged as it was before it ended.
  const decision = decideOn({ ...stored, status: {} }, job, circumstances);
  if (isUnknown(decision)) return { action: 'ask', namespace: job.namespace };
  const { backoffLimit, template } = isObject(stored.spec) ? stored.spec : {};
  const isOnce = decision.action === 'allow' && decision.reason === 'already-capped' && backoffLimit === 0;
  if (!isOnce) return leave;
  const podSpec = isObject(template) ? template.spec : undefined;
  return { action: 'explain', job, isLogKept: isObject(podSpec) && podSpec.restartPolicy === 'Never' };
}

/** The endpoint's own decision, about a Job that somebody would write again as it is. */
const decideOn = (
  stored: JsonObject,
  { uid, namespace, name }: JobReference,
  { policy, namespaceLabels }: Circumstances,
): Decision => {
  // A Job in a list does not say what it is.
  const object = { ...stored, apiVersion: 'batch/v1', kind: 'Job' };
  const request = { uid, resource: 'batch/v1/jobs', operation: 'UPDATE', namespace, name, isDryRun: false };
  return decide({ ...request, object, oldObject: object }, policy, { namespaceLabels });
};

function referenceOf({ metadata }: JsonObject): JobReference | undefined {
  const { namespace, name, uid, resourceVersion } = isObject(metadata) ? metadata : {};
  const texts = { namespace, name, uid, resourceVersion };
  return Object.values(texts).every((text) => typeof text === 'string') ? (texts as JobReference) : undefined;
}

function isLeftAlone({ metadata }: JsonObject): boolean {
  return !isObject(metadata) || typeof metadata.deletionTimestamp === 'string';
}

function isHealed({ metadata }: JsonObject, { heal, startedAt }: Circumstances): boolean {
  if (heal !== 'new') return heal === 'all';
  const createdMs = isObject(metadata) ? Date.parse(String(metadata.creationTimestamp)) : Number.NaN;
  // The API server tells whole seconds. A Job of the same second is too young to be in its second run.
  return createdMs >= Math.floor(startedAt.getTime() / 1000) * 1000;
}

/** When the Job failed, in milliseconds. */
function failureOf({ status }: JsonObject): number | undefined {
  const conditions = isObject(status) && Array.isArray(status.conditions) ? status.conditions.filter(isObject) : [];
  const failed = conditions.find(({ type, status }) => type === 'Failed' && status === 'True');
  const atMs = failed ? Date.parse(String(failed.lastTransitionTime)) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : atMs;
}
