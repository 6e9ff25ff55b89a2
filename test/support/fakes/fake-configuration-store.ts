import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ConfigurationReference, ConfigurationStore } from '../../../src/backstop/configuration-store.ts';
import type { JobEvent } from '../../../src/backstop/job-events.ts';
import type { Json } from '../builders/a-job.ts';

/** Configurations in memory, with methods for tests. */
export interface FakeConfigurationStore extends ConfigurationStore {
  /** Creates or replaces a Configuration. */
  put(configuration: Json): ConfigurationReference;
  remove(configuration: ConfigurationReference): void;
  /** The Events, as the API server stores them: one for each name in a namespace. */
  readonly events: { readonly configuration: ConfigurationReference; readonly event: JobEvent }[];
  /** Removes all Events, as the API server does after an hour. */
  expireEvents(): void;
  /** The number of reads. */
  reads(): number;
}

/** Behaves like the API server; the contract tests check it. */
export function createFakeConfigurationStore(): FakeConfigurationStore {
  const stored = new Map<string, Json>();
  const events: FakeConfigurationStore['events'] = [];
  let reads = 0;
  return {
    events,
    put(configuration) {
      const { namespace, name, uid } = configuration.metadata;
      stored.set(`${namespace}/${name}`, configuration);
      return { namespace, name, uid };
    },
    remove: ({ namespace, name }) => void stored.delete(`${namespace}/${name}`),
    expireEvents: () => void events.splice(0),
    reads: () => reads,
    async read({ namespace, name, uid }) {
      reads += 1;
      await nextTurn();
      return [...stored.values()].find(
        ({ metadata }) =>
          metadata.name === name &&
          (namespace === undefined || metadata.namespace === namespace) &&
          (uid === undefined || metadata.uid === uid),
      );
    },
    async writeEvent(configuration, event) {
      await nextTurn();
      const isThere = events.some(
        (one) => one.configuration.namespace === configuration.namespace && one.event.name === event.name,
      );
      if (!isThere) events.push({ configuration, event });
      return !isThere;
    },
  };
}
