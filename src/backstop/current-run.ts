import { asObject, countOf, isObject, type JsonObject, objectsIn } from '../lib/json.ts';
import { DEFAULT_BACKOFF_LIMIT } from '../policy/job.ts';
import type { CapDecision } from './decide.ts';

/** What the status of one Pod says about the current run of its Job. */
export interface PodRun {
  /** Restarts that the Job controller counts against `backoffLimit` if the restartPolicy is OnFailure. */
  readonly restarts: number;
  /** Whether containers count that do not decide about the run: sidecars, or one of several containers. */
  readonly isShared: boolean;
  /** Whether a container has failed and none runs. Sidecars do not count. */
  readonly hasFailed: boolean;
}

/** Returns what a Pod says about the current run. Injected sidecars are in the Pod, but not in the Job. */
export function podRun(pod: unknown): PodRun {
  const { spec, status } = asObject(pod);
  const { initContainers, containers } = asObject(spec);
  const { initContainerStatuses, containerStatuses } = asObject(status);
  const isSidecar = ({ name }: JsonObject) =>
    objectsIn(initContainers).some((container) => container.name === name && container.restartPolicy === 'Always');
  const statuses = [...objectsIn(initContainerStatuses), ...objectsIn(containerStatuses)];
  const states = statuses.filter((status) => !isSidecar(status)).map(({ state }) => asObject(state));
  return {
    restarts: statuses.reduce((sum, { restartCount }) => sum + countOf(restartCount), 0),
    isShared: objectsIn(initContainers).some(isSidecar) || objectsIn(containers).length > 1,
    hasFailed: states.some(isFailure) && !states.some(({ running }) => isObject(running)),
  };
}

const isFailure = ({ waiting, terminated }: JsonObject): boolean =>
  asObject(waiting).reason === 'CrashLoopBackOff' || (isObject(terminated) && terminated.exitCode !== 0);

/**
 * Returns the cap of a Job with restartPolicy OnFailure, with the lowest limit that does not end its current run, or
 * `undefined` if the limit of the Job is not higher. Pure.
 *
 * The Job controller fails the Job when the restarts have reached the limit, and with a limit of 0 after the first
 * restart: `pastBackoffLimitOnFailure` in k8s.io/kubernetes/pkg/controller/job/job_controller.go.
 *
 * @param isComplete whether `runs` has all Pods. Otherwise as many further restarts are allowed as by default.
 */
export function capForRun(
  decision: CapDecision,
  runs: readonly PodRun[],
  isComplete: boolean,
): CapDecision | undefined {
  const restarts = runs.reduce((sum, run) => sum + run.restarts, 0);
  const isShared = runs.length > 1 || runs.some((run) => run.isShared);
  const isHarmless = runs.every(({ hasFailed }) => hasFailed) || (restarts === 0 && !isShared);
  if (isComplete && isHarmless) return decision;
  // No limit distinguishes the restart of a sidecar from a failure, so as many restarts are allowed as by default.
  const to = restarts + (isShared || !isComplete ? DEFAULT_BACKOFF_LIMIT : 1);
  if (to <= decision.to) return decision;
  if (decision.from !== undefined && to >= decision.from) return undefined;
  if (!isComplete) return { ...decision, to, reason: 'unknown-run' };
  return { ...decision, to, reason: isShared ? 'shared-restarts' : 'retried' };
}
