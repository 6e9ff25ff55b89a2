import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { createProcessGroup, type ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { applyFluxCrds } from '../../tools/flux/crds.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { startController } from '../support/cluster/terraform-controller.ts';
import { projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const example = (name: string) => projectFile(`examples/${name}`);

describe('the files in examples on a real API server', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let controllers: ProcessGroup;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    controllers = await createProcessGroup();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('jobs listed');
    // The API server sees a new registration with a delay.
    await eventually(async () => {
      const body = await recordedJob('create-terraform-apply', 'default');
      const { spec } = await cluster.batch.createNamespacedJob({ namespace: 'default', body, dryRun: 'All' });
      assert.equal(spec?.template.spec?.restartPolicy, 'Never');
    });
  });
  after(async () => {
    await controllers?.stop();
    await daemon?.stop();
    await cluster?.stop();
  });

  const admin = (...args: readonly string[]) => kubectl(cluster.kubeconfig, args);

  /** Resolves when a Job is stored with backoffLimit 0 and restartPolicy Never, and has exactly one Pod. */
  const ranOnce = (namespace: string) =>
    eventually(
      async () => {
        const { spec } = await cluster.batch.readNamespacedJob({ namespace, name: 'example-apply' });
        assert.deepEqual([spec?.backoffLimit, spec?.template.spec?.restartPolicy], [0, 'Never']);
        const labelSelector = 'batch.kubernetes.io/job-name=example-apply';
        const { items } = await cluster.core.listNamespacedPod({ namespace, labelSelector });
        assert.equal(items.length, 1);
      },
      { withinMs: 60_000 },
    );

  it('examples/failing-apply.yaml is capped, and the restricted Pod Security Standard admits its Pod', async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.core.createNamespace({ body: { metadata: { name: 'terraform-example', labels } } });
    await admin('apply', '-f', example('failing-apply.yaml'));
    await ranOnce('terraform-example');
    await admin('delete', '-f', example('failing-apply.yaml'), '--wait=false');
  });

  it('the real terraform-controller creates a Job for examples/configuration.yaml, which is capped, and deletes it with the Configuration', async () => {
    await startController(cluster, controllers);
    await admin('apply', '-f', example('configuration.yaml'));
    await ranOnce('default');
    await admin('delete', '-f', example('configuration.yaml'), '--timeout=5m');
    await eventually(async () => {
      const { items } = await cluster.batch.listNamespacedJob({ namespace: 'default' });
      assert.deepEqual(items, []);
    });
  });

  it('the API server accepts examples/flux.yaml by the CustomResourceDefinitions of Flux, and refuses an unknown field', async () => {
    await applyFluxCrds(cluster.kubeconfig);
    await cluster.createNamespace('flux-system');
    const strict = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
    const text = await readFile(example('flux.yaml'), 'utf8');
    const answer = await kubectl(cluster.kubeconfig, strict, text);
    assert.match(answer, /^gitrepository\S+ created .*\nkustomization\S+ created .*\n$/);
    const mistyped = text.replace('targetNamespace', 'targetNamespaces');
    await assert.rejects(kubectl(cluster.kubeconfig, strict, mistyped), /unknown field "spec\.targetNamespaces"/);
  });
});
