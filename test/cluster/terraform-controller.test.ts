import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { createProcessGroup, type ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { createConfiguration, startController } from '../support/cluster/terraform-controller.ts';
import { projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'team-a';

describe('the Jobs of the real terraform-controller, with the real Job controller', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let controllers: ProcessGroup;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    controllers = await createProcessGroup();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('jobs listed');
    await cluster.createNamespace(NAMESPACE);
    await startController(cluster, controllers);
  });
  after(async () => {
    await controllers?.stop();
    await daemon?.stop();
    await cluster?.stop();
  });

  const podsOf = async (uid = '') => {
    const labelSelector = `batch.kubernetes.io/controller-uid=${uid}`;
    return (await cluster.core.listNamespacedPod({ namespace: NAMESPACE, labelSelector })).items;
  };
  /**
   * Returns the Job of the Configuration `bucket`, and its only Pod, when the Job is stored with another uid than
   * `formerUid` and is capped. terraform-controller can replace the Job between the two reads.
   */
  const capped = (formerUid?: string) =>
    eventually(async () => {
      const job = await cluster.batch.readNamespacedJob({ namespace: NAMESPACE, name: 'bucket-apply' });
      const uid = job.metadata?.uid;
      assert.notEqual(uid, formerUid);
      // The backstop can cap it too, but then restartPolicy stays as it was.
      assert.equal(job.spec?.backoffLimit, 0);
      const [pod, ...others] = await podsOf(uid);
      assert.ok(pod);
      assert.deepEqual(others, []);
      return { job, uid, pod };
    });

  it('a Configuration leads to one Pod, to one more after its failed Job was deleted, and to one more after a change of its HCL', async () => {
    await createConfiguration(cluster, NAMESPACE, 'bucket');
    const { uid, pod } = await capped();
    const name = { namespace: NAMESPACE, name: pod.metadata?.name ?? '' };
    // The status that a kubelet writes after the container has exited.
    await cluster.core.replaceNamespacedPodStatus({ ...name, body: { ...pod, status: { phase: 'Failed' } } });
    await eventually(async () => {
      const failed = await capped();
      assert.equal(failed.uid, uid);
      assert.ok(
        failed.job.status?.conditions?.some(
          ({ type, reason }) => type === 'Failed' && reason === 'BackoffLimitExceeded',
        ),
      );
    });

    const propagationPolicy = 'Background';
    await cluster.batch.deleteNamespacedJob({ namespace: NAMESPACE, name: 'bucket-apply', propagationPolicy });
    const again = await capped(uid);

    const changed = ['--type=merge', '--patch', '{"spec":{"hcl":"# changed"}}'];
    await kubectl(cluster.kubeconfig, ['-n', NAMESPACE, 'patch', 'configuration', 'bucket', ...changed]);
    const last = await capped(again.uid);
    assert.notEqual(last.uid, uid);
  });

  it('npm run demo -- --with-controller applies a Configuration and checks its Job', async () => {
    const args = [projectFile('test/demo/main.ts'), '--with-controller'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NO_COLOR: '1' } });
    assert.match(stdout, /^ {2}✓ the Job of the real terraform-controller is stored with backoffLimit 0/m);
  });
});
