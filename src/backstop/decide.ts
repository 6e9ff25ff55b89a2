import { wroteField } from '../kube/managed-fields.ts';
import { asObject, countOf, isObject, type JsonObject, objectsIn } from '../lib/json.ts';
import { decide } from '../policy/decide.ts';
import { isBeingDeleted, isFinished, LARGEST_BACKOFF_LIMIT, readJob } from '../policy/job.ts';
import { isSelected } from '../policy/namespace-selector.ts';
import type { Labels, Policy } from '../policy/policy.ts';
import { caveatsOf } from '../policy/retry-fields.ts';
import { configurationOf, type JobConfiguration } from '../terraform/configuration.ts';
import { failureOf } from '../terraform/ending.ts';

/** Which uncapped Jobs the backstop caps: all, only Jobs created after the daemon started, or none. */
export type Heal = 'all' | 'new' | 'off';

/** Identifies one version of a Job. A write with this reference fails if the Job has changed. */
export interface JobReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Set if a user has chosen the labels of the Pods. They then have no label of the Job controller. */
  readonly manualSelector?: true;
}

export type JobDecision =
  | { readonly action: 'leave' }
  /** The decision needs the labels of the Job's namespace. */
  | { readonly action: 'ask' }
  | CapDecision
  | ExplainDecision;

/**
 * Why a Job gets its limit. `policy`: no run would end by it. `retried`: the Job has failed before, and a lower limit
 * would end its current run. `shared-restarts`: restarts of a sidecar or of another container count as well.
 * `unknown-run`: not all Pods of the Job can be seen.
 */
export type CapReason = 'policy' | 'retried' | 'shared-restarts' | 'unknown-run';

/**
 * The Job must be capped, because its backoffLimit is higher than the policy allows. `from` is the stored backoffLimit,
 * or `undefined` if the Job has none. `to` is the new backoffLimit.
 */
export interface CapDecision {
  readonly action: 'cap';
  readonly job: JobReference;
  readonly from: number | undefined;
  readonly to: number;
  /** The value of the annotation that records the cap, or `undefined` if none is added: see `markOf`. */
  readonly mark: string | undefined;
  readonly reason: CapReason;
  /** Whether the Pods must be read before the cap, because their restarts count against the limit. */
  readonly needsPods: boolean;
}

/** The Job has failed and the policy prevents retries, so an Event must inform the user. */
export interface ExplainDecision {
  readonly action: 'explain';
  readonly job: JobReference;
  /** False while the Job controller ends the Pods of the Job. The Event must wait, but the Pods must be read now. */
  readonly hasFailed: boolean;
  /** Whether the failure is recent, so that the Event on the Job must be written. */
  readonly isNews: boolean;
  /** The Configuration of the Job; `undefined` if the Job is no Job of terraform-controller. */
  readonly configuration: JobConfiguration | undefined;
  /** What can have run the containers of the Job more than once, or has ended Pods: see `caveatsOf`. */
  readonly caveats: readonly string[];
  /** The reason in the Job's condition; `undefined` if it is missing or BackoffLimitExceeded. */
  readonly reason: string | undefined;
}

/** The input of `decideJob` besides the Job. */
export interface JobContext {
  readonly policy: Policy;
  /** The labels of the Job's namespace, if known. */
  readonly namespaceLabels?: Labels | undefined;
  readonly heal: Heal;
  /** When the daemon started. */
  readonly startedAt: Date;
  readonly now: Date;
}

/**
 * Maximum age of a failure for which an Event is written. It is well below the hour for which an API server keeps
 * Events by default, so that a restarted daemon does not write an expired Event again.
 */
const NEWS_MS = 10 * 60_000;

/**
 * Tolerated clock difference between the API server, which sets the creation time of a Job in whole seconds, and this
 * machine, whose clock gives the start time of the daemon.
 */
const CLOCKS_MS = 5_000;

/**
 * The reason of a Failed condition after the last allowed retry:
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy
 */
const LIMIT_EXCEEDED = 'BackoffLimitExceeded';

/** A caveat of an Event: the Job ran more than once, and the cap let its last run finish. */
const RETRIED = 'it was retried before it was capped';

const leave: JobDecision = { action: 'leave' };

/**
 * Decides whether a stored Job must be capped, explained in an Event, or left alone, or whether the decision needs the
 * labels of the namespace. Pure. Leaves alone an object without namespace, name, uid or resourceVersion.
 */
export function decideJob(stored: unknown, context: JobContext): JobDecision {
  const decision = decideByRules(stored, context);
  const { policy, namespaceLabels } = context;
  // The namespace selector is checked last, because the labels of the namespace may have to be read first.
  if (decision.action === 'leave' || policy.namespaceSelector === undefined) return decision;
  if (namespaceLabels === undefined) return { action: 'ask' };
  return isSelected(policy.namespaceSelector, namespaceLabels) ? decision : leave;
}

function decideByRules(stored: unknown, context: JobContext): JobDecision {
  const job = referenceOf(stored);
  if (job === undefined || !isObject(stored)) return leave;
  const metadata = asObject(stored.metadata);
  // A Job that is being deleted needs no Event: the user who deletes it knows about it.
  if (isBeingDeleted(stored)) return leave;
  if (isFinished(stored) || failureOf(stored) !== undefined) return decideFailed(stored, job, context);
  if (!isHealed(metadata, context)) return leave;
  const change = limitChange(stored, context);
  return change === undefined ? leave : decideLimit(stored, job, change);
}

/**
 * Decides about the limit with which the current run of a Job can finish. The Job controller ends a Job when the number
 * of its failed Pods exceeds the limit, also while a Pod runs.
 */
function decideLimit({ spec, status }: JsonObject, job: JobReference, change: LimitChange): JobDecision {
  const { active, failed, uncountedTerminatedPods } = asObject(status);
  const uncounted = asObject(uncountedTerminatedPods).failed;
  const failures = countOf(failed) + objectsIn(uncounted).length;
  const isRunning = countOf(active) > 0;
  const isRetried = isRunning && failures > change.to;
  const { from, mark } = change;
  const to = isRetried ? failures : change.to;
  if (from !== undefined && to >= from) return leave;
  const needsPods = isRunning && podSpecOf(asObject(spec)).restartPolicy === 'OnFailure';
  return { action: 'cap', job, from, to, mark, reason: isRetried ? 'retried' : 'policy', needsPods };
}

const podSpecOf = ({ template }: JsonObject): JsonObject => asObject(asObject(template).spec);

function decideFailed(stored: JsonObject, job: JobReference, context: JobContext): JobDecision {
  const spec = asObject(stored.spec);
  const failure = failureOf(stored);
  const sinceMs = context.now.getTime() - Date.parse(failure?.at ?? '');
  if (failure === undefined || Number.isNaN(sinceMs)) return leave;
  const isNews = sinceMs <= NEWS_MS;
  const configuration = configurationOf(stored);
  // An old failure matters only to a Configuration, which can still wait.
  if (!isNews && configuration === undefined) return leave;
  const isRaised = spec.backoffLimit !== 0;
  // The backstop sets a higher limit than 0 to let a run finish. Another writer's limit has allowed retries.
  if (isRaised && !wroteField(asObject(stored.metadata), ['f:spec', 'f:backoffLimit'])) return leave;
  // A Job can have been capped without a mark, and a user can write one. Assume that the policy set a backoffLimit of 0,
  // if the policy would lower even the largest backoffLimit to 0.
  const endless = { ...stored, spec: { ...spec, backoffLimit: LARGEST_BACKOFF_LIMIT } };
  if (limitChange(endless, context)?.to !== 0) return leave;
  const isRetried = isRaised || countOf(asObject(stored.status).failed) > 1;
  const caveats = [...(isRetried ? [RETRIED] : []), ...caveatsAbout(stored)];
  const { hasFailed } = failure;
  const reason = failure.reason === LIMIT_EXCEEDED ? undefined : failure.reason;
  return { action: 'explain', job, hasFailed, isNews, configuration, caveats, reason };
}

function caveatsAbout(stored: JsonObject): readonly string[] {
  // The API server omits the kind from the items of a list.
  const job = readJob({ ...stored, kind: 'Job' });
  return 'problem' in job ? [] : caveatsOf(job, job);
}

type LimitChange = Pick<CapDecision, 'from' | 'to' | 'mark'>;

/**
 * Returns the change of backoffLimit that the endpoint would make if a client updated the Job; `undefined` if it would
 * make none. Treats a finished Job as unfinished.
 */
function limitChange(stored: JsonObject, { policy }: JobContext): LimitChange | undefined {
  const metadata = asObject(stored.metadata);
  // The API server generates the name after admission, so on CREATE the endpoint saw an empty name.
  const name = isGenerated(metadata) ? '' : metadata.name;
  // The API server omits apiVersion and kind from the items of a list.
  const object = { ...stored, apiVersion: 'batch/v1', kind: 'Job', metadata: { ...metadata, name }, status: {} };
  const namespace = String(metadata.namespace);
  const write = { resource: 'batch/v1/jobs', operation: 'UPDATE', namespace, object, oldObject: undefined };
  const decision = decide(write, policy);
  if (decision.action !== 'cap') return undefined;
  const { from, to } = decision.changes.find(({ field }) => field === 'backoffLimit') ?? {};
  if (typeof to !== 'number') return undefined;
  return { from: typeof from === 'number' ? from : undefined, to, mark: decision.mark };
}

/** The random suffix and the longest prefix of a generated name (k8s.io/apiserver/pkg/storage/names/generate.go). */
const GENERATED = /^[bcdfghjklmnpqrstvwxz2456789]{5}$/;
const LONGEST_BASE = 58;

/**
 * Returns whether `name` looks generated from `generateName`. A client can also set both fields; the API server then
 * keeps `name`.
 */
function isGenerated({ name, generateName }: JsonObject): boolean {
  if (typeof name !== 'string' || typeof generateName !== 'string' || generateName === '') return false;
  const base = generateName.slice(0, LONGEST_BASE);
  return name.startsWith(base) && GENERATED.test(name.slice(base.length));
}

/** Returns the reference of a stored Job, or `undefined` if a metadata field is missing or not a string. */
export function referenceOf(stored: unknown): JobReference | undefined {
  const { metadata, spec } = asObject(stored);
  const { namespace, name, uid, resourceVersion } = asObject(metadata);
  const texts = { namespace, name, uid, resourceVersion };
  if (!Object.values(texts).every((text) => typeof text === 'string')) return undefined;
  const selector = asObject(spec).manualSelector === true ? { manualSelector: true } : {};
  return { ...texts, ...selector } as JobReference;
}

function isHealed({ creationTimestamp }: JsonObject, { heal, startedAt }: JobContext): boolean {
  if (heal !== 'new') return heal === 'all';
  return Date.parse(String(creationTimestamp)) >= startedAt.getTime() - CLOCKS_MS;
}
