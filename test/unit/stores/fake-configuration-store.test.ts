import { randomUUID } from 'node:crypto';
import { configurationStoreContract } from '../../support/fakes/configuration-store-contract.ts';
import { createFakeConfigurationStore } from '../../support/fakes/fake-configuration-store.ts';

configurationStoreContract('the tests', async () => {
  const store = createFakeConfigurationStore();
  return {
    store,
    create: async (namespace, name) => store.put({ metadata: { namespace, name, uid: randomUUID() } }),
    messages: async ({ uid }) =>
      store.events.filter(({ configuration }) => configuration.uid === uid).map(({ event }) => event.note),
  };
});
