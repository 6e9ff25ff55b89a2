import type { JobEvent } from './job-events.ts';

/** How to find a Configuration. Its namespace or its uid is known; if both are, both must match. */
export interface ConfigurationKey {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
}

/** Identifies one Configuration, also if another Configuration has the same name later. */
export type ConfigurationReference = Required<ConfigurationKey>;

/**
 * Reads the Configurations of terraform-controller, and writes Events about them. Configurations are plain JSON. Each
 * function rejects with an OperatorError with a `KUBE_…` code.
 */
export interface ConfigurationStore {
  /** Reads the live Configuration. Resolves with `undefined` if it does not exist, or if the API server does not serve the kind. */
  read(key: ConfigurationKey): Promise<unknown>;
  /** Creates an Event about the Configuration. Resolves with `false` if an Event of that name already exists. */
  writeEvent(configuration: ConfigurationReference, event: JobEvent): Promise<boolean>;
}
