import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { AuthorizationV1Api, CoordinationV1Api, type V1Job } from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, NAMESPACE, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../support/cluster/daemon.ts';
import { samplesOf } from '../support/cluster/exposition.ts';
import { createManyJobs } from '../support/cluster/many-jobs.ts';
import { grantBackstop, isNamespaced, startWithSmallerRights } from '../support/cluster/smaller-rights.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

const LEASE = { namespace: NAMESPACE, name: 'terraform-job-webhook-backstop' };
/** The documented maximum time from "ready" until 500 uncapped Jobs are capped. */
const SOON_MS = promisedMs(5_000);

describe('the backstop with Jobs that were stored without a webhook call', () => {
  let cluster: Cluster;
  let unique = 0;
  before(async () => {
    cluster = await startWithSmallerRights({ backstopRbac: !isNamespaced });
  });
  after(() => cluster.stop());
  beforeEach(() => cluster.forgetDaemon());

  async function aNamespace(): Promise<string> {
    unique += 1;
    const name = `team-${unique}`;
    await cluster.createNamespace(name);
    if (isNamespaced) await grantBackstop(cluster, [name]);
    return name;
  }

  async function start(t: TestContext, { flags = [], ...options }: Partial<DaemonOptions> = {}): Promise<Daemon> {
    const all = isNamespaced ? [...flags, `--backstop-namespaces=team-${unique}`] : flags;
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, ...options, flags: all });
    t.after(() => daemon.stop('SIGKILL'));
    return daemon;
  }

  /** Starts a daemon that the API server cannot call, because no process listens on the port of its Service. */
  const startUncalled = async (t: TestContext, options: Partial<DaemonOptions> = {}) =>
    start(t, { servicePort: await freePort(), ...options });

  async function aStoredJob(namespace: string, name: string, change: Partial<V1Job['metadata']> = {}): Promise<V1Job> {
    const job = await recordedJob('create-terraform-apply', namespace);
    return cluster.createJob({ ...job, metadata: { ...job.metadata, ...change, name } });
  }

  const jobsIn = async (namespace: string) => (await cluster.batch.listNamespacedJob({ namespace })).items;
  const read = (namespace: string, name: string) => cluster.batch.readNamespacedJob({ namespace, name });
  const missedIn = (wanted: string, { lines }: Daemon) =>
    lines.filter(({ message, namespace }) => message === 'uncapped job capped' && namespace === wanted);
  const at = (line: unknown) => Date.parse(String((line as { timestamp?: unknown } | undefined)?.timestamp));

  /**
   * Waits until the daemon has capped `count` Jobs of the namespace. Resolves with the time in ms from "ready" to the
   * last cap.
   */
  async function healedMs(daemon: Daemon, namespace: string, count: number): Promise<number> {
    const ready = await daemon.line('ready');
    await eventually(() => assert.equal(missedIn(namespace, daemon).length, count), { withinMs: 60_000 });
    return at(missedIn(namespace, daemon).at(-1)) - at(ready);
  }

  async function fail(job: V1Job): Promise<V1Job> {
    const { namespace = '', name = '' } = job.metadata ?? {};
    const lastTransitionTime = new Date();
    const condition = { status: 'True', reason: 'BackoffLimitExceeded', lastTransitionTime };
    const conditions = ['FailureTarget', 'Failed'].map((type) => ({ ...condition, type }));
    const body = { ...job, status: { startTime: lastTransitionTime, failed: 1, conditions } };
    return cluster.batch.replaceNamespacedJobStatus({ namespace, name, body });
  }

  it('the backstop caps 500 uncapped Jobs within 5 s after the log line "ready", and leaves finished and opted-out Jobs unchanged', async (t) => {
    const namespace = await aNamespace();
    await createManyJobs(cluster.kubeconfig, { namespace, count: 500 });
    const others = [
      await fail(await aStoredJob(namespace, 'finished')),
      await aStoredJob(namespace, 'opted-out', { annotations: { 'terraform.job.kb.io/keep-retries': 'true' } }),
      await cluster.createJob(await recordedJob('create-plain-job', namespace)),
    ];

    const daemon = await start(t);
    const ms = await healedMs(daemon, namespace, 500);
    t.diagnostic(`500 missed Jobs capped ${(ms / 1000).toFixed(2)} s after ready`);
    const jobs = await jobsIn(namespace);
    const capped = jobs.filter(({ metadata }) => metadata?.name?.startsWith('missed-'));
    assert.equal(capped.length, 500);
    for (const { spec, metadata } of capped) {
      assert.deepEqual([spec?.backoffLimit, metadata?.generation], [0, 2], metadata?.name);
      const mark = metadata?.annotations?.['terraform.job.kb.io/capped'];
      assert.equal(mark, '{"rule":"terraform","backoffLimit":2147483647}', metadata?.name);
    }
    assert.ok(ms < SOON_MS, `${ms} ms`);
    for (const { metadata } of others) {
      const now = await read(namespace, metadata?.name ?? '');
      assert.equal(now.metadata?.resourceVersion, metadata?.resourceVersion, metadata?.name);
    }
    const { text } = await daemon.probe('/metrics');
    assert.equal(samplesOf(text).samples.get('terraform_daemon_missed_jobs_total'), 500);
    const [line] = missedIn(namespace, daemon);
    assert.deepEqual([line?.namespace, line?.from, line?.to], [namespace, 2147483647, 0]);

    const events = () => cluster.core.listNamespacedEvent({ namespace, fieldSelector: 'reason=Missed' });
    await eventually(async () => assert.equal((await events()).items.length, 500), { withinMs: 60_000 });
    const [event] = (await events()).items;
    assert.equal(event?.involvedObject.kind, 'Job');
    assert.match(event?.message ?? '', /stored this Job uncapped.*lowered its backoffLimit from 2147483647 to 0/);
  });

  it('if 50 Jobs are stored while no replica runs, the backstop caps these Jobs within 5 s after the log line "ready"', async (t) => {
    const namespace = await aNamespace();
    const port = await freePort();
    const killed = await start(t, { port });
    await killed.line('ready');
    const capped = await eventually(async () => {
      const probe = await recordedJob('create-terraform-apply', namespace);
      const answer = await cluster.batch.createNamespacedJob({ namespace, body: probe, dryRun: 'All' });
      assert.equal(answer.spec?.backoffLimit, 0, 'the endpoint is called');
      return aStoredJob(namespace, 'called-for');
    });
    await killed.stop('SIGKILL');
    await createManyJobs(cluster.kubeconfig, { namespace, count: 50 });
    const daemon = await start(t, { port });
    const ms = await healedMs(daemon, namespace, 50);
    t.diagnostic(`50 Jobs missed while it was killed were capped ${(ms / 1000).toFixed(2)} s after ready`);
    for (const { spec } of await jobsIn(namespace)) assert.equal(spec?.backoffLimit, 0);
    assert.ok(ms < SOON_MS, `${ms} ms`);
    const { metadata } = await read(namespace, capped.metadata?.name ?? '');
    assert.equal(metadata?.generation, 1, 'what the endpoint has capped is left alone');
  });

  it('the backstop caps each new Job while the API server cannot call the endpoint', async (t) => {
    const namespace = await aNamespace();
    const daemon = await startUncalled(t);
    await daemon.line('jobs listed');
    const job = await aStoredJob(namespace, 'one');
    assert.notEqual(job.spec?.backoffLimit, 0);
    await eventually(async () => assert.equal((await read(namespace, 'one')).spec?.backoffLimit, 0));
    await aStoredJob(namespace, 'two');
    await eventually(async () => assert.equal((await read(namespace, 'two')).spec?.backoffLimit, 0));
    assert.equal(daemon.lines.filter(({ message }) => message === 'jobs listed').length, 1);
  });

  it('with --heal=new the backstop leaves a Job that was created more than 5 s before the daemon started', async (t) => {
    const namespace = await aNamespace();
    const old = await aStoredJob(namespace, 'old');
    // With --heal=new the backstop caps a Job that was created up to 5 s before the start of the daemon, because clocks
    // can differ. So the test waits until the old Job is older than that.
    const isOld = () => assert.ok(Date.now() - Number(old.metadata?.creationTimestamp) > 6_000);
    await eventually(isOld, { withinMs: 60_000 });
    const daemon = await startUncalled(t, { flags: ['--heal=new'] });
    await daemon.line('jobs listed');
    await aStoredJob(namespace, 'new');
    await eventually(async () => assert.equal((await read(namespace, 'new')).spec?.backoffLimit, 0));
    assert.equal((await read(namespace, 'old')).metadata?.resourceVersion, old.metadata?.resourceVersion);
  });

  it('the backstop caps a stored Job by the first rule that matches, and a name made from generateName does not match match.jobName', async (t) => {
    const namespace = await aNamespace();
    const policy = {
      rules: [
        { name: 'named', match: { jobName: 'made-*', containerName: 'terraform-executor' }, set: { backoffLimit: 3 } },
        {
          name: 'created',
          match: { containerName: 'terraform-executor' },
          set: { backoffLimit: 0 },
        },
      ],
    };
    const folder = await aFolder(t, { 'policy.json': JSON.stringify(policy) });
    const daemon = await startUncalled(t, { flags: [`--policy-file=${folder}/policy.json`] });
    await daemon.line('jobs listed');
    const limitOf = async (name: string) => (await read(namespace, name)).spec?.backoffLimit;
    await aStoredJob(namespace, 'one');
    await aStoredJob(namespace, 'made-by-hand');
    const { name: _name, ...unnamed } = (await recordedJob('create-terraform-apply', namespace)).metadata ?? {};
    const job = await recordedJob('create-terraform-apply', namespace);
    const { metadata } = await cluster.createJob({ ...job, metadata: { ...unnamed, generateName: 'made-' } });
    await eventually(async () => {
      const limits = await Promise.all(['one', 'made-by-hand', metadata?.name ?? ''].map(limitOf));
      assert.deepEqual(limits, [0, 3, 0]);
    });

    const raised = await read(namespace, 'one');
    const body = { ...raised, spec: { ...raised.spec, backoffLimit: 5 } as V1Job['spec'] & object };
    await cluster.batch.replaceNamespacedJob({ namespace, name: 'one', body });
    await eventually(async () => assert.equal(await limitOf('one'), 0));
  });

  it('with --heal=off the backstop changes no Job', async (t) => {
    const namespace = await aNamespace();
    const daemon = await startUncalled(t, { flags: ['--heal=off'] });
    await daemon.line('jobs listed');
    const job = await aStoredJob(namespace, 'one');
    // The watch delivers Jobs in order, so when the log names the Job `capped`, the daemon has already checked the Job
    // `one`.
    const failed = await aStoredJob(namespace, 'capped');
    await cluster.batch.replaceNamespacedJob({
      namespace,
      name: 'capped',
      body: { ...failed, spec: { ...failed.spec, backoffLimit: 0 } as V1Job['spec'] & object },
    });
    await fail(await read(namespace, 'capped'));
    await daemon.line('job failed, not retried by policy');
    assert.equal((await read(namespace, 'one')).metadata?.resourceVersion, job.metadata?.resourceVersion);
    assert.deepEqual(missedIn(namespace, daemon), []);
  });

  it('of two replicas only the holder of the Lease caps Jobs, each once; the other takes over when the holder is killed', async (t) => {
    const namespace = await aNamespace();
    const servicePort = await freePort();
    const first = await startUncalled(t, { servicePort });
    await first.line('jobs listed');
    const count = (replica?: Daemon) => (replica ? missedIn(namespace, replica).length : 0);
    const counts = () => [count(first), count(second)] as const;
    const areCapped = (count: number) => async () => {
      const jobs = await jobsIn(namespace);
      assert.equal(jobs.filter(({ spec }) => spec?.backoffLimit === 0).length, count);
      assert.ok(jobs.every(({ metadata }) => metadata?.generation === 2));
    };
    let second: Daemon | undefined;
    await createManyJobs(cluster.kubeconfig, { namespace, count: 10, prefix: 'before' });
    await eventually(areCapped(10), { withinMs: 60_000 });
    // The daemon logs a cap shortly after the patch.
    await eventually(() => assert.deepEqual(counts(), [10, 0]));

    // Both daemons have the same host name, so the second takes the Lease of the first at once. Until the first
    // notices it, both cap Jobs.
    second = await startUncalled(t, { servicePort });
    await second.line('jobs listed');
    await createManyJobs(cluster.kubeconfig, { namespace, count: 100 });
    await eventually(areCapped(110), { withinMs: 60_000 });
    await first.line('stopped watching jobs: lease lost');
    await eventually(() => assert.equal(counts()[0] + counts()[1], 110));
    t.diagnostic(`100 Jobs capped by two replicas at once: ${counts()[0] - 10} and ${counts()[1]}`);
    const handedOver = counts();
    await createManyJobs(cluster.kubeconfig, { namespace, count: 10, prefix: 'after' });
    await eventually(areCapped(120), { withinMs: 60_000 });
    await eventually(() => assert.deepEqual(counts(), [handedOver[0], handedOver[1] + 10]));

    const killedAt = performance.now();
    await second.stop('SIGKILL');
    await createManyJobs(cluster.kubeconfig, { namespace, count: 10, prefix: 'later' });
    await eventually(areCapped(130), { withinMs: 60_000 });
    const seconds = ((performance.now() - killedAt) / 1000).toFixed(1);
    t.diagnostic(`the other replica has taken over ${seconds} s after the holder was killed`);
    await eventually(() => assert.equal(counts()[0], handedOver[0] + 10));
  });

  it('a stopping daemon releases the Lease, so that the next daemon caps Jobs without waiting', async (t) => {
    await aNamespace();
    const first = await startUncalled(t);
    await first.line('jobs listed');
    assert.equal(await first.stop('SIGTERM'), 0);
    const { spec } = await apiClient(cluster.kubeconfig, CoordinationV1Api).readNamespacedLease(LEASE);
    assert.equal(spec?.holderIdentity, undefined);
  });

  it('the rights of the backstop allow list, watch and patch of Jobs, and writes of one Lease by name', async () => {
    const authorization = apiClient(cluster.kubeconfig, AuthorizationV1Api);
    const review = async (resourceAttributes: object) => {
      const user = 'system:serviceaccount:vela-system:terraform-daemon';
      const body = { spec: { user, groups: ['system:authenticated'], resourceAttributes } };
      return (await authorization.createSubjectAccessReview({ body })).status?.allowed;
    };
    const jobs = { group: 'batch', resource: 'jobs', namespace: await aNamespace() };
    for (const verb of ['list', 'watch', 'patch']) assert.equal(await review({ ...jobs, verb }), true, verb);
    for (const verb of ['get', 'create', 'update', 'delete'])
      assert.equal(await review({ ...jobs, verb }), false, verb);
    assert.equal(await review({ ...jobs, resource: 'cronjobs', verb: 'patch' }), false);
    const leases = { group: 'coordination.k8s.io', resource: 'leases', namespace: NAMESPACE };
    for (const verb of ['get', 'create', 'patch']) {
      assert.equal(await review({ ...leases, verb, name: LEASE.name }), true, `${verb} its own Lease`);
      assert.equal(await review({ ...leases, verb, name: 'other' }), false, `${verb} another Lease`);
      assert.equal(await review({ ...leases, verb }), false, `${verb} any Lease`);
    }
  });
});

describe('a daemon without the rights of manifests/base/rbac-backstop.yaml', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ backstopRbac: false });
    await cluster.createNamespace('team-a');
  });
  after(() => cluster.stop());

  it('without the RBAC rules of the backstop the daemon logs one warning, the endpoint caps Jobs and /readyz is 200', async (t) => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    const warning = await daemon.line('cannot watch jobs, will try again');
    assert.equal(warning.code, 'KUBE_FORBIDDEN');
    assert.match(String(warning.error), /cannot list resource "jobs".*manifests\/base\/rbac-backstop\.yaml/);
    await eventually(async () => {
      const job = await recordedJob('create-terraform-apply', 'team-a');
      const stored = await cluster.createJob({ ...job, metadata: { ...job.metadata, name: `job-${Date.now()}` } });
      assert.equal(stored.spec?.backoffLimit, 0);
    });
    assert.equal((await daemon.probe('/readyz')).status, 200);
    const warnings = daemon.lines.filter(({ level }) => level === 'warn' || level === 'error');
    t.diagnostic(warnings.map(({ message }) => message).join(', '));
    assert.equal(warnings.filter(({ message }) => message === warning.message).length, 1);
    assert.equal(await daemon.stop(), 0);
  });
});
