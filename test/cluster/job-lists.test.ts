import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { V1Job } from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import type { Cluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { storeFinishedJobs } from '../support/cluster/finished-jobs.ts';
import { type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { grantBackstop, isNamespaced, startWithSmallerRights } from '../support/cluster/smaller-rights.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'large';
const COMPLETE = 300;
/** More than a page. */
const FAILED = 150;
const AT = '2026-01-01T00:00:00Z';
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;

/** Jobs with two Pods or one, in each state of their Pods that a list can show. */
const STATES = {
  'none-succeeded': {},
  'one-failed': { startTime: AT, failed: 1 },
  'one-of-two': { startTime: AT, succeeded: 1 },
  'one-of-two-failed': { startTime: AT, succeeded: 1, failed: 1 },
} as const;

describe('the list of a cluster with many finished Jobs', () => {
  let cluster: Cluster;
  let api: RawApi;
  before(async () => {
    cluster = await startWithSmallerRights({ backstopRbac: !isNamespaced });
    api = await rawApi(cluster.kubeconfig);
    await cluster.createNamespace(NAMESPACE);
    if (isNamespaced) await grantBackstop(cluster, [NAMESPACE]);
    await storeFinishedJobs(cluster.kubeconfig, {
      namespace: NAMESPACE,
      count: COMPLETE,
      prefix: 'done',
      ended: 'Complete',
    });
    await storeFinishedJobs(cluster.kubeconfig, {
      namespace: NAMESPACE,
      count: FAILED,
      prefix: 'dead',
      ended: 'Failed',
    });
    for (const [name, status] of Object.entries(STATES)) await storeUncapped(name, status);
  });
  after(async () => {
    api.close();
    await cluster.stop();
  });

  async function storeUncapped(name: string, status: object): Promise<void> {
    const job: V1Job = await recordedJob('create-terraform-apply', NAMESPACE);
    const spec = { ...job.spec, completions: 2, parallelism: 2 };
    await api.call('POST', JOBS, { ...job, metadata: { ...job.metadata, name }, spec });
    const reply = await api.call('PATCH', `${JOBS}/${name}/status`, { status });
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
  }
  const isCapped = (name: string) =>
    eventually(async () => {
      const { body } = await api.call('GET', `${JOBS}/${name}`);
      assert.equal(body.spec.backoffLimit, 0, name);
    });

  it('the backstop lists only Jobs without a successful Pod, and caps a Job with one at its next change', async (t) => {
    const flags = isNamespaced ? [`--backstop-namespaces=${NAMESPACE}`] : [];
    // The API server cannot call this daemon, so that only the backstop caps Jobs.
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags, servicePort: await freePort() });
    t.after(() => daemon.stop('SIGKILL'));
    const { jobs } = await daemon.line('jobs listed');
    assert.equal(jobs, FAILED + 2);
    await isCapped('none-succeeded');
    await isCapped('one-failed');
    for (const name of ['one-of-two', 'one-of-two-failed']) {
      const { body } = await api.call('PATCH', `${JOBS}/${name}/status`, { status: { failed: 2 } });
      assert.equal(body.spec.backoffLimit, 2_147_483_647, 'only its change makes the backstop cap it');
      await isCapped(name);
    }
  });
});
