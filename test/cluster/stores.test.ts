import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { connect } from '../../src/kube/client.ts';
import { createConfigurationStore } from '../../src/stores/configuration-store.ts';
import { createRegistrationStore } from '../../src/stores/registration-store.ts';
import { createSecretStore } from '../../src/stores/secret-store.ts';
import { applyTerraformCrds } from '../../tools/control-plane/terraform-controller.ts';
import { readValidKubeconfig } from '../support/builders/a-kubeconfig.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { createConfiguration } from '../support/cluster/terraform-controller.ts';
import { configurationStoreContract } from '../support/fakes/configuration-store-contract.ts';
import { registrationStoreContract } from '../support/fakes/registration-store-contract.ts';
import { secretStoreContract } from '../support/fakes/secret-store-contract.ts';

/** Runs the contract tests of the fakes on the real stores, with the rights of the user of the daemon. */
let cluster: Cluster;
before(async () => {
  cluster = await startCluster();
  await applyTerraformCrds({ version: 'terraform-controller-v0.8.0', kubeconfig: cluster.kubeconfig });
});
after(() => cluster.stop());

secretStoreContract('an API server', async () => {
  await cluster.forgetDaemon();
  const clients = connect(readValidKubeconfig(cluster.daemonKubeconfig), new AbortController().signal);
  const target = { namespace: NAMESPACE, name: SECRET };
  return {
    replica: (name) => createSecretStore(clients, { namespace: NAMESPACE, name: SECRET, replica: name }),
    async editAs(fieldManager, { annotations, isImmutable, finalizers }) {
      const body = { metadata: { annotations, finalizers }, immutable: isImmutable };
      await cluster.core.patchNamespacedSecret(
        { ...target, body, fieldManager },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
    },
    async createAs(type, data) {
      await cluster.core.createNamespacedSecret({ ...target, body: { metadata: { name: SECRET }, type, data } });
    },
  };
});

registrationStoreContract('an API server', async () => {
  await cluster.forgetDaemon();
  const name = REGISTRATION;
  return {
    name,
    store: createRegistrationStore(
      connect(readValidKubeconfig(cluster.daemonKubeconfig), new AbortController().signal),
      name,
    ),
    async edit(change) {
      const live = await cluster.registration();
      assert.ok(live);
      change(live);
      await cluster.admission.replaceMutatingWebhookConfiguration({
        name,
        body: live,
        fieldManager: 'another-manager',
      });
    },
  };
});

configurationStoreContract('an API server', async () => ({
  store: createConfigurationStore(
    connect(readValidKubeconfig(cluster.daemonKubeconfig), new AbortController().signal).callJson,
  ),
  async create(namespace, name) {
    await cluster.createNamespace(namespace);
    return { namespace, name, uid: await createConfiguration(cluster, namespace, name) };
  },
  async messages({ namespace, uid }) {
    const fieldSelector = `involvedObject.kind=Configuration,involvedObject.uid=${uid}`;
    const { items } = await cluster.core.listNamespacedEvent({ namespace, fieldSelector });
    return items.map(({ message }) => message);
  },
}));
