import { createFakeSecretStore } from '../../support/fakes/fake-secret-store.ts';
import { secretStoreContract } from '../../support/fakes/secret-store-contract.ts';

secretStoreContract('the tests', async () => {
  const store = createFakeSecretStore();
  return {
    replica: () => store,
    async editAs(otherWriter, { annotations, isImmutable = false, finalizers }) {
      if (finalizers) return store.setFinalizers(finalizers);
      const before = store.current();
      store.put(
        before && { ...before, annotations: { ...before.annotations, ...annotations }, isImmutable, otherWriter },
      );
    },
    async createAs(type, data) {
      store.put({ ...empty, type, data });
    },
  };
});

const empty = {
  uid: '1',
  resourceVersion: '',
  isImmutable: false,
  labels: {},
  annotations: {},
  otherWriter: undefined,
};
