import { createFakeRegistrationStore } from '../../support/fake-registration-store.ts';
import { registrationStoreContract } from '../../support/registration-store-contract.ts';

registrationStoreContract('the tests', async () => {
  const store = createFakeRegistrationStore();
  return { name: 'terraform-job-webhook-configuration', store, edit: store.edit };
});
