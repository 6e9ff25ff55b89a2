import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { connect, createRegistrationStore, createSecretStore } from '../../src/kube.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster.ts';
import { registrationStoreContract } from '../support/registration-store-contract.ts';
import { secretStoreContract } from '../support/secret-store-contract.ts';

/** The real stores keep the contract that the fakes keep, with the rights of the daemon's user. */
let cluster: Cluster;
before(async () => {
  cluster = await startCluster();
});
after(() => cluster.stop());

secretStoreContract('an API server', async () => {
  await cluster.forgetDaemon();
  const clients = connect(cluster.daemonKubeconfig, new AbortController().signal);
  return (replica) => createSecretStore(clients, NAMESPACE, SECRET, replica);
});

registrationStoreContract('an API server', async () => {
  await cluster.forgetDaemon();
  const name = REGISTRATION;
  return {
    name,
    store: createRegistrationStore(connect(cluster.daemonKubeconfig, new AbortController().signal), name),
    async edit(change) {
      const live = await cluster.registration();
      assert.ok(live);
      change(live);
      await cluster.admission.replaceMutatingWebhookConfiguration({ name, body: live });
    },
  };
});
