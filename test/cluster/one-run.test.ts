import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { V1Job } from '@kubernetes/client-node';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'team-a';

describe('a Job that fails, with the real Job controller', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    await cluster.createNamespace(NAMESPACE);
    const namespace = NAMESPACE;
    await cluster.core.createNamespacedServiceAccount({
      namespace,
      body: { metadata: { name: 'tf-executor-service-account' } },
    });
  });
  after(() => cluster.stop());

  const pods = async () => (await cluster.core.listNamespacedPod({ namespace: NAMESPACE })).items;
  /** Resolves when the API server uses the registration of the daemon that was started last. */
  const untilCapped = (body: V1Job) =>
    eventually(async () => {
      const stored = await cluster.batch.createNamespacedJob({ namespace: NAMESPACE, body, dryRun: 'All' });
      assert.equal(stored.spec?.backoffLimit, 0);
    });
  const explanations = async () => {
    const fieldSelector = 'reason=NotRetried';
    return (await cluster.core.listNamespacedEvent({ namespace: NAMESPACE, fieldSelector })).items;
  };

  it('the Job controller starts and keeps one Pod for a failing capped Job, and the daemon writes one Event with the command kubectl logs', async (t) => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('jobs listed');
    const job = await recordedJob('create-terraform-apply', NAMESPACE);
    const name = job.metadata?.name ?? '';
    await untilCapped(job);
    const created = new Set<string>();
    const { metadata } = await cluster.createJob(job);
    const [pod] = await eventually(async () => {
      const found = await pods();
      assert.equal(found.length, 1);
      return found;
    });
    created.add(pod?.metadata?.uid ?? '');
    // The status that a kubelet writes after the container has exited.
    const state = { terminated: { exitCode: 1, reason: 'Error', startedAt: new Date(), finishedAt: new Date() } };
    const status = { name: 'terraform-executor', state, ready: false, restartCount: 0, image: 'x', imageID: 'x' };
    await cluster.core.replaceNamespacedPodStatus({
      namespace: NAMESPACE,
      name: pod?.metadata?.name ?? '',
      body: { ...pod, status: { phase: 'Failed', containerStatuses: [status] } },
    });

    const failed = await eventually(
      async () => {
        for (const { metadata } of await pods()) created.add(metadata?.uid ?? '');
        const { status } = await cluster.batch.readNamespacedJob({ namespace: NAMESPACE, name });
        const condition = status?.conditions?.find(({ type }) => type === 'Failed');
        assert.equal(condition?.status, 'True');
        return { condition, status };
      },
      { withinMs: 60_000 },
    );
    assert.equal(failed.condition?.reason, 'BackoffLimitExceeded');
    assert.equal(failed.status?.failed, 1);
    const [event] = await eventually(async () => {
      const found = await explanations();
      assert.equal(found.length, 1);
      return found;
    });
    assert.deepEqual([event?.type, event?.involvedObject.uid], ['Warning', metadata?.uid]);
    assert.match(event?.message ?? '', new RegExp(`kubectl -n ${NAMESPACE} logs ${pod?.metadata?.name} -c `));
    assert.match(event?.message ?? '', new RegExp(`kubectl -n ${NAMESPACE} delete job ${name}`));

    // Neither another change of the Job nor a second daemon may write the Event again.
    await cluster.annotateJob(job);
    await daemon.line('event already exists');
    assert.equal(await daemon.stop(), 0);
    const next = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => next.stop('SIGKILL'));
    await next.line('event already exists');
    const [still] = await pods();
    assert.deepEqual([(await pods()).length, still?.metadata?.uid], [1, pod?.metadata?.uid]);
    assert.deepEqual([...created], [pod?.metadata?.uid], 'exactly one Pod was ever created');
    const events = (await cluster.core.listNamespacedEvent({ namespace: NAMESPACE })).items;
    assert.equal(events.filter(({ reason }) => reason === 'SuccessfulCreate').length, 1, 'by its controller too');
    const [again, ...others] = await explanations();
    assert.deepEqual([again?.metadata.resourceVersion, others], [event?.metadata.resourceVersion, []]);
    assert.equal(next.lines.filter(({ message }) => message === 'job failed, not retried by policy').length, 0);
  });

  it('the Event of a Job that exceeded its deadline names the deadline', async (t) => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('jobs listed');
    const job = await recordedJob('create-terraform-apply', NAMESPACE);
    const late = { ...job, metadata: { ...job.metadata, name: 'late-apply' } } as typeof job;
    // The backstop alone could cap the Job after its deadline.
    await untilCapped(late);
    await cluster.createJob({ ...late, spec: { ...late.spec, activeDeadlineSeconds: 1 } as typeof job.spec & object });
    const [event] = await eventually(
      async () => {
        const found = (await explanations()).filter(({ involvedObject }) => involvedObject.name === 'late-apply');
        assert.equal(found.length, 1);
        return found;
      },
      { withinMs: 60_000 },
    );
    assert.match(event?.message ?? '', /^This Job failed with DeadlineExceeded and is not retried\./);
  });
});
