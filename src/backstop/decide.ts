import { asObject, isObject, type JsonObject } from '../lib/json.ts';
import { decide } from '../policy/decide.ts';
import { isOver, LARGEST_BACKOFF_LIMIT } from '../policy/job.ts';
import { isSelected } from '../policy/namespace-selector.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import type { Change } from '../policy/setting-fields.ts';

/** Which uncapped Jobs are capped: all, only those created after the start of the daemon, or none. */
export type Heal = 'all' | 'new' | 'off';

/** One version of one Job. A write with this reference fails when the Job has changed since. */
export interface JobReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export type JobDecision =
  | { readonly action: 'leave' }
  /** The decision depends on the labels of the namespace. */
  | { readonly action: 'ask' }
  | CapDecision
  | ExplainDecision;

/** The Job may be retried more often than the policy allows. */
export interface CapDecision {
  readonly action: 'cap';
  readonly job: JobReference;
  readonly from: number | undefined;
  readonly to: number;
}

/** The Job has failed and is not retried because of the policy: its owner needs to know. */
export interface ExplainDecision {
  readonly action: 'explain';
  readonly job: JobReference;
  /** Whether the Pod, and with it the log, is certain to exist still. */
  readonly isLogKept: boolean;
  /** The Job controller's reason; absent when the Job failed because no retries were left. */
  readonly reason: string | undefined;
}

/** All that a decision about a Job depends on beside the Job. */
export interface JobContext {
  readonly policy: Policy;
  /** The labels of the Job's namespace, if known. */
  readonly namespaceLabels?: Labels | undefined;
  readonly heal: Heal;
  /** The start of the daemon. */
  readonly startedAt: Date;
  readonly now: Date;
}

/** Well below the hour for which the API server keeps an Event, so that no Event is written twice. */
const NEWS_MS = 10 * 60_000;

/**
 * The API server's clock dates a Job, in whole seconds, and this machine's clock dates the start of the daemon. A Job that
 * counts as new by mistake is a few seconds old and thus hardly in its second run.
 */
const CLOCKS_MS = 5_000;

/** https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy */
const LIMIT_EXCEEDED = 'BackoffLimitExceeded';

const leave: JobDecision = { action: 'leave' };

/**
 * Decides about a stored Job as the endpoint would decide about an UPDATE without a change. Never throws: any object that is
 * not a Job is left alone.
 */
export function decideJob(stored: unknown, context: JobContext): JobDecision {
  const decision = decideByRules(stored, context);
  const { policy, namespaceLabels } = context;
  // The namespace comes last, although the API server selects by it first: its labels must be read.
  if (decision.action === 'leave' || policy.namespaceSelector === undefined) return decision;
  if (namespaceLabels === undefined) return { action: 'ask' };
  return isSelected(policy.namespaceSelector, namespaceLabels) ? decision : leave;
}

function decideByRules(stored: unknown, context: JobContext): JobDecision {
  const job = referenceOf(stored);
  if (job === undefined || !isObject(stored)) return leave;
  const metadata = asObject(stored.metadata);
  // A Job that is being deleted needs no Event: the user who deletes it knows about it.
  if (typeof metadata.deletionTimestamp === 'string') return leave;
  if (isOver(stored)) return decideFailed(stored, job, context);
  if (!isHealed(metadata, context)) return leave;
  const change = limitChange(stored, context);
  if (typeof change?.to !== 'number') return leave;
  return { action: 'cap', job, from: typeof change.from === 'number' ? change.from : undefined, to: change.to };
}

function decideFailed(stored: JsonObject, job: JobReference, context: JobContext): JobDecision {
  const spec = asObject(stored.spec);
  const { conditions } = asObject(stored.status);
  const failure = (Array.isArray(conditions) ? conditions : [])
    .map(asObject)
    .find(({ type, status }) => type === 'Failed' && status === 'True');
  const sinceMs = context.now.getTime() - Date.parse(String(failure?.lastTransitionTime));
  if (failure === undefined || Number.isNaN(sinceMs) || sinceMs > NEWS_MS || spec.backoffLimit !== 0) return leave;
  // The limit is the policy's if the policy would set it on the same Job with the highest limit.
  const endless = { ...stored, spec: { ...spec, backoffLimit: LARGEST_BACKOFF_LIMIT } };
  if (limitChange(endless, context)?.to !== 0) return leave;
  return { action: 'explain', job, ...endOf(spec, failure.reason) };
}

function endOf({ template }: JsonObject, reason: unknown): Pick<ExplainDecision, 'isLogKept' | 'reason'> {
  if (typeof reason === 'string' && reason !== '' && reason !== LIMIT_EXCEEDED) return { isLogKept: false, reason };
  return { isLogKept: asObject(asObject(template).spec).restartPolicy === 'Never', reason: undefined };
}

/**
 * How the endpoint would change the limit at an UPDATE of the Job before its first run. An UPDATE, because the Pod template is
 * immutable: the restartPolicy of a stored Job stays as it is.
 */
function limitChange(stored: JsonObject, { policy }: JobContext): Change | undefined {
  const metadata = asObject(stored.metadata);
  // The API server generates a name only after admission: the endpoint saw none when the Job was created.
  const name = isGenerated(metadata) ? '' : metadata.name;
  // An item of a list has neither apiVersion nor kind.
  const object = { ...stored, apiVersion: 'batch/v1', kind: 'Job', metadata: { ...metadata, name }, status: {} };
  const namespace = String(metadata.namespace);
  const write = { resource: 'batch/v1/jobs', operation: 'UPDATE', namespace, object, oldObject: undefined };
  const decision = decide(write, policy);
  return decision.action === 'cap' ? decision.changes.find(({ field }) => field === 'backoffLimit') : undefined;
}

/** What the API server appends, and how much of generateName it keeps (apiserver, pkg/storage/names/generate.go). */
const GENERATED = /^[bcdfghjklmnpqrstvwxz2456789]{5}$/;
const LONGEST_BASE = 58;

/** Whether the API server may have generated the name: a client may set `name` and `generateName`, and then `name` counts. */
function isGenerated({ name, generateName }: JsonObject): boolean {
  if (typeof name !== 'string' || typeof generateName !== 'string' || generateName === '') return false;
  const base = generateName.slice(0, LONGEST_BASE);
  return name.startsWith(base) && GENERATED.test(name.slice(base.length));
}

/** Returns `undefined` if `stored` is not a stored object. */
export function referenceOf(stored: unknown): JobReference | undefined {
  const { namespace, name, uid, resourceVersion } = asObject(asObject(stored).metadata);
  const texts = { namespace, name, uid, resourceVersion };
  return Object.values(texts).every((text) => typeof text === 'string') ? (texts as JobReference) : undefined;
}

function isHealed({ creationTimestamp }: JsonObject, { heal, startedAt }: JobContext): boolean {
  if (heal !== 'new') return heal === 'all';
  return Date.parse(String(creationTimestamp)) >= startedAt.getTime() - CLOCKS_MS;
}
