import type { OnWatchEvent } from '../kube/watch.ts';
import type { JobReference } from './decide.ts';
import type { JobEvent } from './job-events.ts';

/** The metadata of one page of a list. */
export interface JobPage {
  /** The version of the whole list. */
  readonly resourceVersion: string;
  /** The token of the next page; absent on the last one. */
  readonly next: string | undefined;
}

/** The Jobs of the cluster, as JSON. Each function rejects with an OperatorError of the `KUBE_…` codes. */
export interface JobStore {
  /** Calls `onJob` for each Job of one page. Resolves with `expired` when the API server has forgotten the list. */
  page(next: string | undefined, onJob: (job: unknown) => void): Promise<JobPage | 'expired'>;
  /** Reports each change since `resourceVersion`; see `WatchSource`. */
  watch(resourceVersion: string, onEvent: OnWatchEvent, signal: AbortSignal): Promise<'ended' | 'expired'>;
  /** Reads the Job as it is now. Resolves with `undefined` when it was deleted, also when another one has its name. */
  read(job: JobReference): Promise<unknown>;
  /**
   * Lowers `spec.backoffLimit` of this version of the Job. `lost`: the Job has changed or was deleted. `undone`: something
   * on the API server has raised it again within the same call.
   */
  cap(job: JobReference, backoffLimit: number): Promise<'capped' | 'lost' | 'undone'>;
  /** Creates an Event about the Job. Resolves with `false` when it exists already. */
  writeEvent(job: JobReference, event: JobEvent): Promise<boolean>;
}
