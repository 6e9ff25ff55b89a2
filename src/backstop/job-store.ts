import type { OnWatchEvent } from '../kube/watch.ts';
import type { CapDecision, JobReference } from './decide.ts';
import type { JobEvent } from './job-events.ts';

/** The metadata of one page of a list. */
export interface JobPage {
  /** The resourceVersion of the whole list. */
  readonly resourceVersion: string;
  /** The continue token of the next page; `undefined` on the last page. */
  readonly next: string | undefined;
}

/** Reads the Jobs of one namespace, or of all namespaces. */
export interface JobList {
  /** `undefined`: all namespaces. */
  readonly namespace: string | undefined;
  /**
   * Reads one page of the Jobs of which no Pod has succeeded, and calls `onJob` for each. These are all Jobs that run one
   * Pod and are not complete. Resolves with `expired` if the continue token has expired.
   */
  page(next: string | undefined, onJob: (job: unknown) => void): Promise<JobPage | 'expired'>;
  /** Reports each change of any Job since `resourceVersion`; see `WatchSource`. */
  watch(resourceVersion: string, onEvent: OnWatchEvent, signal: AbortSignal): Promise<'ended' | 'expired'>;
}

/** Reads and writes Jobs. Jobs are plain JSON. Each function rejects with an OperatorError with a `KUBE_…` code. */
export interface JobStore {
  /** One list of all namespaces, or one list for each namespace of the backstop. */
  readonly lists: readonly JobList[];
  /** Reads the live Job. Resolves with `undefined` if the Job was deleted, even if a new Job has the same name. */
  read(job: JobReference): Promise<unknown>;
  /**
   * Calls `onPod` for each Pod of the Job, or for each that has neither succeeded nor failed. Resolves with `false` if
   * there can be more: too many Pods have the label of the Job, or the Job has `manualSelector`.
   */
  pods(job: JobReference, which: 'all' | 'unfinished', onPod: (pod: unknown) => void): Promise<boolean>;
  /**
   * Lowers `spec.backoffLimit` of this version of the Job to `to`, and adds the mark. `lost`: the Job has changed or was deleted. `undone`: the
   * API server stored a higher limit, for example because another webhook raised it.
   */
  cap(cap: Pick<CapDecision, 'job' | 'to' | 'mark'>): Promise<'capped' | 'lost' | 'undone'>;
  /** Creates an Event about the Job. Resolves with `false` if an Event of that name already exists. */
  writeEvent(job: JobReference, event: JobEvent): Promise<boolean>;
}
