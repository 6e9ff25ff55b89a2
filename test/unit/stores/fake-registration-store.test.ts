import { createFakeRegistrationStore } from '../../support/fakes/fake-registration-store.ts';
import { registrationStoreContract } from '../../support/fakes/registration-store-contract.ts';

registrationStoreContract('the tests', async () => {
  const store = createFakeRegistrationStore();
  return { name: 'terraform-job-webhook-configuration', store, edit: store.edit };
});
