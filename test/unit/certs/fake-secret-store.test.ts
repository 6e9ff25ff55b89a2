import { createFakeSecretStore } from '../../support/fake-secret-store.ts';
import { secretStoreContract } from '../../support/secret-store-contract.ts';

secretStoreContract('the tests', async () => {
  const store = createFakeSecretStore();
  return () => store;
});
