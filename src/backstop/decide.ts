import { type Change, type Decision, decide } from '../policy/decide.ts';
import { isOver } from '../policy/job.ts';
import { LARGEST_BACKOFF_LIMIT, type Labels, type Policy } from '../policy/policy.ts';
import { isObject, type JsonObject } from '../webhook/review.ts';
import { outlineOf } from './job-projection.ts';

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
  /** It depends on the labels of its namespace. What is to be judged then is kept without all that no judgement reads. */
  | { readonly action: 'ask'; readonly job: JobReference; readonly outline: JsonObject }
  /** It is retried more often than the policy wants. */
  | { readonly action: 'cap'; readonly job: JobReference; readonly from: number | undefined; readonly to: number }
  /** It has failed and is not retried because of the policy: somebody will want to know. */
  | { readonly action: 'explain'; readonly job: JobReference; readonly end: JobEnd };

/** How a Job has failed that had no retries left by policy. */
export interface JobEnd {
  /** Else it was deleted with the Pod, or may have been. */
  readonly isLogKept: boolean;
  /** The Job controller's reason, where it is another one than that there were no retries left. */
  readonly reason: string | undefined;
}

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

/**
 * The API server's clock tells when a Job was made, in whole seconds, and this machine's when the daemon was started. A
 * Job that is taken for a new one wrongly is hardly in its second run yet.
 */
const CLOCKS_MS = 5_000;

/** https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy */
const LIMIT_EXCEEDED = 'BackoffLimitExceeded';

const leave: JobVerdict = { action: 'leave' };

/**
 * Judges a stored Job as the endpoint would judge an UPDATE that leaves it as it is. Never throws: what is no Job is left
 * alone.
 */
export function judgeJob(stored: unknown, circumstances: Circumstances): JobVerdict {
  const job = referenceOf(stored);
  if (job === undefined || !isObject(stored) || isDeleted(stored)) return leave;
  if (isOver(stored)) return judgeFailed(stored, job, circumstances);
  if (!isHealed(stored, circumstances)) return leave;
  const decision = decideOn(stored, circumstances);
  if (isUnknown(decision)) return { action: 'ask', job, outline: outlineOf(stored) };
  const change = changeOf(decision);
  if (typeof change?.to !== 'number') return leave;
  return { action: 'cap', job, from: typeof change.from === 'number' ? change.from : undefined, to: change.to };
}

const isUnknown = (decision: Decision): boolean =>
  decision.action === 'allow' && decision.reason === 'namespace-unknown';

/** The restartPolicy of a stored Job cannot be changed any more. */
const changeOf = (decision: Decision): Change | undefined =>
  decision.action === 'cap' ? decision.changes.find(({ field }) => field === 'backoffLimit') : undefined;

function judgeFailed(stored: JsonObject, job: JobReference, circumstances: Circumstances): JobVerdict {
  const failure = failureOf(stored);
  const spec = isObject(stored.spec) ? stored.spec : {};
  if (failure === undefined || circumstances.now.getTime() - failure.atMs > NEWS_MS || spec.backoffLimit !== 0)
    return leave;
  // Is that limit the policy's? It is where the same Job with any other one would have got it.
  const endless = { ...stored, spec: { ...spec, backoffLimit: LARGEST_BACKOFF_LIMIT } };
  const decision = decideOn(endless, circumstances);
  if (changeOf(decision)?.to === 0) return { action: 'explain', job, end: endOf(spec, failure) };
  return isUnknown(decision) ? { action: 'ask', job, outline: outlineOf(stored) } : leave;
}

function endOf({ template }: JsonObject, { reason }: Failure): JobEnd {
  const podSpec = isObject(template) ? template.spec : undefined;
  const isByLimit = reason === undefined || reason === LIMIT_EXCEEDED;
  const isLogKept = isByLimit && isObject(podSpec) && podSpec.restartPolicy === 'Never';
  return { isLogKept, reason: isByLimit ? undefined : reason };
}

/** The endpoint's own decision about an UPDATE of the Job, before it has run: the Pod template cannot be changed any more. */
function decideOn(stored: JsonObject, circumstances: Circumstances): Decision {
  const { policy, namespaceLabels } = circumstances;
  const metadata = isObject(stored.metadata) ? stored.metadata : {};
  // The API server generates a name only after admission, so the endpoint saw none until the first UPDATE.
  const name = isGenerated(metadata) && !wasUpdated(stored) ? '' : String(metadata.name);
  // A Job in a list does not say what it is.
  const object = { ...stored, apiVersion: 'batch/v1', kind: 'Job', metadata: { ...metadata, name }, status: {} };
  const namespace = String(metadata.namespace);
  const request = { uid: '', resource: 'batch/v1/jobs', operation: 'UPDATE', namespace, name, isDryRun: false };
  return decide({ ...request, object, oldObject: undefined }, policy, { namespaceLabels });
}

/** Whether the spec is another one than at first. The API server counts those. */
const wasUpdated = ({ metadata }: JsonObject): boolean =>
  isObject(metadata) && typeof metadata.generation === 'number' && metadata.generation > 1;

/** What the API server appends, and how much of what came before it keeps (apiserver, storage/names/generate.go). */
const GENERATED = /^[bcdfghjklmnpqrstvwxz2456789]{5}$/;
const LONGEST_BASE = 58;

function isGenerated({ name, generateName }: JsonObject): boolean {
  if (typeof name !== 'string' || typeof generateName !== 'string' || generateName === '') return false;
  const base = generateName.slice(0, LONGEST_BASE);
  return name.startsWith(base) && GENERATED.test(name.slice(base.length));
}

/** `undefined` where it is no stored object. */
export function referenceOf(stored: unknown): JobReference | undefined {
  const { metadata } = isObject(stored) ? stored : {};
  const { namespace, name, uid, resourceVersion } = isObject(metadata) ? metadata : {};
  const texts = { namespace, name, uid, resourceVersion };
  return Object.values(texts).every((text) => typeof text === 'string') ? (texts as JobReference) : undefined;
}

/** Whoever deletes a Job that has failed has seen it. */
const isDeleted = ({ metadata }: JsonObject): boolean =>
  isObject(metadata) && typeof metadata.deletionTimestamp === 'string';

function isHealed({ metadata }: JsonObject, { heal, startedAt }: Circumstances): boolean {
  if (heal !== 'new') return heal === 'all';
  const createdMs = isObject(metadata) ? Date.parse(String(metadata.creationTimestamp)) : Number.NaN;
  return createdMs >= startedAt.getTime() - CLOCKS_MS;
}

interface Failure {
  readonly atMs: number;
  readonly reason: string | undefined;
}

function failureOf({ status }: JsonObject): Failure | undefined {
  const conditions = isObject(status) && Array.isArray(status.conditions) ? status.conditions.filter(isObject) : [];
  const failed = conditions.find(({ type, status }) => type === 'Failed' && status === 'True');
  const atMs = failed ? Date.parse(String(failed.lastTransitionTime)) : Number.NaN;
  if (Number.isNaN(atMs)) return undefined;
  return { atMs, reason: typeof failed?.reason === 'string' && failed.reason !== '' ? failed.reason : undefined };
}
