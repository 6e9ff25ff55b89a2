import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { V1Job } from '@kubernetes/client-node';
import { connect } from '../../src/kube/client.ts';
import { createJobStore } from '../../src/stores/job-store.ts';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { readValidKubeconfig } from '../support/builders/a-kubeconfig.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import type { Cluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { storeFinishedJobs } from '../support/cluster/finished-jobs.ts';
import { type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { grantBackstop, isNamespaced, startWithSmallerRights } from '../support/cluster/smaller-rights.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'large';
const COMPLETE = 700;
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

describe('the lists of a cluster with many finished Jobs', () => {
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
  const countOf = (daemon: Daemon, wanted: string) => daemon.lines.filter(({ message }) => message === wanted).length;

  it('each Job that is not complete is in one of the two lists of the Job store, and no Job is in both', async () => {
    const clients = connect(readValidKubeconfig(cluster.daemonKubeconfig), new AbortController().signal);
    const [list] = createJobStore(clients, [NAMESPACE]).lists;
    assert.ok(list);
    const names = { unsuccessful: [] as string[], incomplete: [] as string[] };
    const pages = { unsuccessful: 0, successful: 0 };
    for (let next: string | undefined, isFirst = true; isFirst || next; isFirst = false) {
      const page = await list.page(next, (job) => names.unsuccessful.push((job as V1Job).metadata?.name ?? ''));
      assert.ok(page !== 'expired');
      pages.unsuccessful += 1;
      next = page.next;
    }
    for (let next: string | undefined, isFirst = true; isFirst || next; isFirst = false) {
      const page = await list.successfulPage(next, ({ name }) => names.incomplete.push(name));
      assert.ok(page !== 'expired');
      pages.successful += 1;
      next = page.next;
    }
    assert.deepEqual(pages, { unsuccessful: 2, successful: 2 });
    assert.deepEqual(names.incomplete, ['one-of-two', 'one-of-two-failed']);
    assert.equal(names.unsuccessful.length, FAILED + 2);
    assert.deepEqual(
      names.unsuccessful.filter((name) => !name.startsWith('dead')),
      ['none-succeeded', 'one-failed'],
    );
  });

  it('the backstop caps uncapped Jobs among many finished Jobs, also Jobs of which a Pod has succeeded, before and during its watch', async (t) => {
    const flags = isNamespaced ? [`--backstop-namespaces=${NAMESPACE}`] : [];
    // The API server cannot call this daemon, so that only the backstop caps Jobs.
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags, servicePort: await freePort() });
    t.after(() => daemon.stop('SIGKILL'));
    const listed = await daemon.line('jobs listed');
    assert.equal(listed.jobs, FAILED + 2, 'the successful Jobs are not in the first list');
    const rest = await daemon.line('successful jobs listed');
    assert.equal(rest.incomplete, 2);
    for (const name of Object.keys(STATES)) await isCapped(name);

    await api.call('PATCH', `${JOBS}/none-succeeded/status`, { status: { startTime: AT, succeeded: 1 } });
    await api.call('PATCH', `${JOBS}/none-succeeded`, { spec: { backoffLimit: 6 } });
    await isCapped('none-succeeded');
    assert.deepEqual([countOf(daemon, 'jobs listed'), countOf(daemon, 'uncapped job capped')], [1, 5]);
  });
});
