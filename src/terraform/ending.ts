import { asObject, isObject, type JsonObject, objectsIn } from '../lib/json.ts';
import { oneLine, truncate } from '../lib/text.ts';

/**
 * How a failed Job ended, as far as its Pods and its conditions show it. Each text in it comes from the cluster, and is
 * short and printable. The names are those in the metadata and the spec, which the API server validates. No ending has the log or the termination message of a container, because these can have secrets.
 */
export type Ending =
  /** A container exited with an error. */
  | ({ readonly kind: 'exited' } & ContainerExit)
  /** A container was killed, because it or its Pod used more memory than the limit. */
  | ({ readonly kind: 'out-of-memory' } & ContainerExit)
  /** An init container exited with an error, so no main container started. */
  | ({ readonly kind: 'init-failed' } & ContainerExit)
  /** The kubelet evicted the Pod, and removed its log. `message` is the reason in words of the kubelet. */
  | ({ readonly kind: 'evicted'; readonly reason: string; readonly message: string } & InPod)
  /** The Pod was deleted by a drain, a preemption or a taint. `reason` is in the Pod condition DisruptionTarget. */
  | ({ readonly kind: 'disrupted'; readonly reason: string } & InPod)
  /** The node shut down, was removed, or lost the container. */
  | ({ readonly kind: 'node-lost'; readonly reason: string } & InPod)
  /** `activeDeadlineSeconds` passed: of the Pod if `pod` is set, otherwise of the Job. */
  | { readonly kind: 'deadline'; readonly pod: string | undefined }
  /** A container did not start, for example because its image cannot be pulled. */
  | ({ readonly kind: 'never-started'; readonly container: string; readonly reason: string } & InPod)
  /** The kubelet refused the Pod, so no container started. */
  | ({ readonly kind: 'refused'; readonly reason: string; readonly message: string } & InPod)
  /** The scheduler found no node for the Pod. */
  | ({ readonly kind: 'not-scheduled'; readonly reason: string } & InPod)
  /** The Job has no Pod, or its only Pods (`pod`) were being deleted before they finished. */
  | { readonly kind: 'pod-gone'; readonly pod: string | undefined }
  /** The Pods cannot be read, or do not show how the Job ended. */
  | { readonly kind: 'unknown' };

interface InPod {
  readonly pod: string;
  /** Whether the Pod is not being deleted. Its log is deleted with it. */
  readonly isKept: boolean;
}

interface ContainerExit extends InPod {
  readonly container: string;
  readonly exitCode: number;
  readonly reason: string | undefined;
}

/** How one Pod of a failed Job ended. Much smaller than the Pod, which can have 1.5 MB. */
export interface PodEnding {
  /** `undefined` if the Pod has not failed. */
  readonly ending: Ending | undefined;
  readonly createdAt: string;
}

/** Maximum length of a name, of a reason, and of a message of the kubelet. */
const LONGEST = { name: 63, reason: 60, message: 200 };

/**
 * Returns how a failed Job ended.
 *
 * @param pods the Pods of the Job, each with its ending; `undefined` if they cannot be read.
 */
export const endingOf = (job: unknown, pods: readonly PodEnding[] | undefined): Ending =>
  endingAfter(failureOf(job)?.reason, pods);

/** Returns how a Job ended that failed with the reason, as `endingOf`. */
export function endingAfter(reason: string | undefined, pods: readonly PodEnding[] | undefined): Ending {
  const isLate = reason === 'DeadlineExceeded';
  const ending = lastOf(pods ?? []);
  // The deadline of a Job also ends a Pod that could never start. The cause is then more useful than the deadline.
  if (isLate && !isBeforeStart(ending)) return { kind: 'deadline', pod: undefined };
  return ending ?? (pods?.length === 0 ? { kind: 'pod-gone', pod: undefined } : { kind: 'unknown' });
}

/**
 * Returns the ending that was seen earlier, if the Pods no longer show it. The Job controller deletes the Pods of a Job
 * that exceeded its deadline, and every Pod that was being deleted, before it sets the condition Failed.
 */
export function withEarlier(ending: Ending, earlier: Ending | undefined): Ending {
  const isShown = !['pod-gone', 'deadline', 'unknown'].includes(ending.kind) || podOf(ending) !== undefined;
  if (isShown || earlier === undefined) return ending;
  return 'isKept' in earlier && ending.kind !== 'unknown' ? { ...earlier, isKept: false } : earlier;
}

const podOf = (ending: Ending): string | undefined => ('pod' in ending ? ending.pod : undefined);

/** Why a Job failed, from its conditions. */
export interface JobFailure {
  /** False while the Job has the condition FailureTarget only: the Job controller then waits for the end of its Pods. */
  readonly hasFailed: boolean;
  readonly reason: string | undefined;
  readonly at: string;
}

/** Returns the failure of a stored Job, or `undefined` if the Job controller has not decided that the Job fails. */
export function failureOf(job: unknown): JobFailure | undefined {
  const conditions = objectsIn(asObject(asObject(job).status).conditions).filter(({ status }) => status === 'True');
  const failed = conditions.find(({ type }) => type === 'Failed');
  const condition = failed ?? conditions.find(({ type }) => type === 'FailureTarget');
  if (condition === undefined) return undefined;
  const reason = textOf(condition.reason, LONGEST.reason) || undefined;
  return { hasFailed: failed !== undefined, reason, at: textOf(condition.lastTransitionTime, LONGEST.name) };
}

/** Returns the ending of the Pod that was created last. A Pod that is being deleted counts only if there is no other. */
function lastOf(pods: readonly PodEnding[]): Ending | undefined {
  const failed = pods.filter(({ ending }) => ending !== undefined);
  const rank = ({ ending, createdAt }: PodEnding) => `${ending && isKept(ending) ? 1 : 0}${createdAt}`;
  return failed.toSorted((one, other) => (rank(one) < rank(other) ? 1 : -1))[0]?.ending;
}

const isKept = (ending: Ending): boolean => 'isKept' in ending && ending.isKept;

const isBeforeStart = (ending: Ending | undefined): boolean =>
  ending !== undefined && ['never-started', 'refused', 'not-scheduled'].includes(ending.kind);

/** Returns how a Pod of a failed Job ended. */
export function podEnding(pod: unknown): PodEnding {
  const { metadata, spec, status } = asObject(pod);
  const { name, creationTimestamp, deletionTimestamp } = asObject(metadata);
  const isDeleted = typeof deletionTimestamp === 'string';
  const found: FoundPod = {
    status: withKnownContainers(asObject(status), asObject(spec)),
    spec: asObject(spec),
    in: { pod: textOf(name, LONGEST.name), isKept: !isDeleted },
  };
  const createdAt = textOf(creationTimestamp, LONGEST.name);
  for (const read of [disruption, deadline, refusal, failedContainer, waitingContainer, unscheduled]) {
    const ending = read(found);
    if (ending !== undefined) return { ending, createdAt };
  }
  const isGone = isDeleted && found.status.phase !== 'Succeeded';
  return { ending: isGone ? { kind: 'pod-gone', pod: found.in.pod } : undefined, createdAt };
}

/**
 * Returns the status of a Pod without the containers that are not in its spec. The API server validates the names in a
 * spec, but not those in a status, and a client with the right to patch `pods/status` can write any text there.
 */
function withKnownContainers(status: JsonObject, spec: JsonObject): JsonObject {
  const known = (statuses: unknown, containers: unknown) =>
    objectsIn(statuses).filter(({ name }) => objectsIn(containers).some((container) => container.name === name));
  return {
    ...status,
    initContainerStatuses: known(status.initContainerStatuses, spec.initContainers),
    containerStatuses: known(status.containerStatuses, spec.containers),
  };
}

interface FoundPod {
  readonly status: JsonObject;
  readonly spec: JsonObject;
  readonly in: InPod;
}

/** https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions */
function disruption({ status, in: where }: FoundPod): Ending | undefined {
  const reason = textOf(status.reason, LONGEST.reason);
  const message = textOf(status.message, LONGEST.message);
  if (reason === 'NodeLost') return { kind: 'node-lost', reason, ...where };
  // The kubelet also refuses a Pod with this reason. Such a Pod has no containers yet.
  if (reason === 'Evicted' && hasContainers(status)) return { kind: 'evicted', reason, message, ...where };
  const condition = conditionOf(status, 'DisruptionTarget');
  if (condition?.status !== 'True') return undefined;
  const cause = textOf(condition.reason, LONGEST.reason);
  if (cause === 'DeletionByPodGC') return { kind: 'node-lost', reason: cause, ...where };
  if (cause !== 'TerminationByKubelet') return { kind: 'disrupted', reason: cause, ...where };
  // The kubelet sets the reason Terminated when its node shuts down, and otherwise Evicted or Preempting.
  if (reason === 'Terminated') return { kind: 'node-lost', reason, ...where };
  return { kind: 'evicted', reason: reason || cause, message, ...where };
}

function deadline({ status, in: { pod } }: FoundPod): Ending | undefined {
  return status.reason === 'DeadlineExceeded' ? { kind: 'deadline', pod } : undefined;
}

/** `rejectPod` in k8s.io/kubernetes/pkg/kubelet/kubelet.go sets no status of a container. */
function refusal({ status, in: where }: FoundPod): Ending | undefined {
  const reason = textOf(status.reason, LONGEST.reason);
  if (status.phase !== 'Failed' || reason === '' || hasContainers(status)) return undefined;
  return { kind: 'refused', reason, message: textOf(status.message, LONGEST.message), ...where };
}

/** The reasons of a container that the container runtime could not start, but which has an exit code. */
const START_ERRORS: readonly unknown[] = ['StartError', 'ContainerCannotRun'];
/** The reasons of a container whose exit code the kubelet or the container runtime does not know. */
const EXIT_UNKNOWN: readonly unknown[] = ['ContainerStatusUnknown', 'Unknown'];

/** Returns the ending of the container that failed first. Sidecars do not end a run. */
function failedContainer({ status, spec, in: where }: FoundPod): Ending | undefined {
  const main = objectsIn(status.containerStatuses).flatMap(exitOf);
  const init = withoutSidecars(status.initContainerStatuses, spec).flatMap(exitOf);
  const [first] = (main.length > 0 ? main : init).toSorted((one, other) => (one.at > other.at ? 1 : -1));
  if (first === undefined) return undefined;
  const { container, exitCode, reason = '', hasStarted } = first;
  if (!hasStarted) return { kind: 'never-started', container, reason, ...where };
  // The kubelet can lose the containers of a Pod that is deleted.
  if (EXIT_UNKNOWN.includes(reason)) return where.isKept ? { kind: 'node-lost', reason, ...where } : undefined;
  const exit = { container, exitCode, reason: reason || undefined, ...where };
  if (reason === 'OOMKilled') return { kind: 'out-of-memory', ...exit };
  return { kind: main.length > 0 ? 'exited' : 'init-failed', ...exit };
}

/**
 * Returns the failure of a container, or none. A container that runs again has its failure in `lastState`. A container
 * without an ID was never created: when its Pod is deleted, `TerminatePod` in
 * k8s.io/kubernetes/pkg/kubelet/status/status_manager.go writes that its exit is unknown.
 */
function exitOf({ name, state, lastState, containerID }: JsonObject) {
  const ends = [asObject(state).terminated, asObject(lastState).terminated].filter(isObject);
  const end = ends.find(({ exitCode }) => typeof exitCode === 'number' && exitCode !== 0);
  if (end === undefined) return [];
  const reason = textOf(end.reason, LONGEST.reason) || undefined;
  const at = typeof end.finishedAt === 'string' ? end.finishedAt : '';
  const isCreated = typeof containerID === 'string' && containerID !== '';
  const hasStarted = !START_ERRORS.includes(reason) && (isCreated || !EXIT_UNKNOWN.includes(reason));
  return [{ container: textOf(name, LONGEST.name), exitCode: Number(end.exitCode), reason, hasStarted, at }];
}

/** Reasons of a container that waits as every container does before its start, or before it starts again. */
const NORMAL_WAITS: readonly unknown[] = ['', 'PodInitializing', 'ContainerCreating', 'CrashLoopBackOff'];

function waitingContainer({ status, in: where }: FoundPod): Ending | undefined {
  const statuses = [...objectsIn(status.initContainerStatuses), ...objectsIn(status.containerStatuses)];
  const waits = statuses.map(({ name, state }) => ({
    container: textOf(name, LONGEST.name),
    reason: textOf(asObject(asObject(state).waiting).reason, LONGEST.reason),
  }));
  const wait = waits.find(({ reason }) => !NORMAL_WAITS.includes(reason));
  return wait && { kind: 'never-started', ...wait, ...where };
}

function unscheduled({ status, in: where }: FoundPod): Ending | undefined {
  const condition = conditionOf(status, 'PodScheduled');
  if (condition?.status !== 'False') return undefined;
  return { kind: 'not-scheduled', reason: textOf(condition.reason, LONGEST.reason), ...where };
}

function withoutSidecars(statuses: unknown, spec: JsonObject): JsonObject[] {
  const sidecars = objectsIn(spec.initContainers).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return objectsIn(statuses).filter(({ name }) => !sidecars.some((sidecar) => sidecar.name === name));
}

const hasContainers = ({ initContainerStatuses, containerStatuses }: JsonObject): boolean =>
  objectsIn(initContainerStatuses).length + objectsIn(containerStatuses).length > 0;

const conditionOf = ({ conditions }: JsonObject, wanted: string): JsonObject | undefined =>
  objectsIn(conditions).find(({ type }) => type === wanted);

const textOf = (value: unknown, most: number): string => (typeof value === 'string' ? short(value, most) : '');

const short = (text: string, most: number): string => truncate(oneLine(truncate(text, most)), most);
