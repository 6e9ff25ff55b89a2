import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PatchStrategy, setHeaderOptions, type V1Job } from '@kubernetes/client-node';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const AUDIT_POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    resources: [{group: batch, resources: [jobs]}]
  - level: None
`;

/** Returns the value as plain JSON, without the classes of client-node. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

const MARK = 'terraform.job.kb.io/capped';
const marked = ({ metadata }: V1Job) => metadata?.annotations?.[MARK];
const FIRST_MARK = '{"rule":"terraform","backoffLimit":2147483647,"restartPolicy":"OnFailure"}';

const once = ({ spec }: V1Job) => [spec?.backoffLimit, spec?.template.spec?.restartPolicy];

describe('the webhook with Jobs on a real API server', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-audit-'));
    await writeFile(join(folder, 'policy.yaml'), AUDIT_POLICY);
    cluster = await startCluster({
      apiServerArgs: [
        `--audit-policy-file=${join(folder, 'policy.yaml')}`,
        `--audit-log-path=${join(folder, 'audit.log')}`,
      ],
    });
    for (const namespace of ['team-a', 'before']) await cluster.createNamespace(namespace);
  });
  after(async () => {
    await daemon?.stop();
    await cluster.stop();
    await rm(folder, { recursive: true });
  });

  const job = async (file: string, name: string, namespace = 'team-a'): Promise<V1Job> => {
    const recorded = await recordedJob(file, namespace);
    return { ...recorded, metadata: { ...recorded.metadata, name } };
  };
  /** Returns the log lines of the webhook calls about a Job. */
  const calls = (name: string) => daemon.lines.filter((line) => line.uid !== undefined && line.name === name);
  /** Waits for a webhook call about a Job and returns the log line of the last one. */
  const lastCall = (name: string) =>
    eventually(() => {
      const line = calls(name).at(-1);
      assert.ok(line, `no call for ${name}`);
      return line;
    });

  it('the API server stores Jobs unchanged while no daemon runs', async () => {
    const stored = await cluster.createJob(await job('create-terraform-apply', 'earlier-apply', 'before'));
    assert.deepEqual(once(stored), [2147483647, 'OnFailure']);
  });

  it('the API server stores a Job of terraform-controller capped after the daemon is ready', async () => {
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('ready');
    await eventually(async () => {
      const stored = await cluster.createJob(await job('create-terraform-apply', `first-${Date.now()}`));
      assert.deepEqual(once(stored), [0, 'Never']);
    });
  });

  for (const file of ['create-terraform-apply', 'create-terraform-apply-controller-namespace']) {
    it(`the recorded Job ${file} is stored with backoffLimit 0 and restartPolicy Never`, async () => {
      const { metadata } = await cluster.createJob(await recordedJob(file, 'team-a'));
      const stored = await cluster.batch.readNamespacedJob({ namespace: 'team-a', name: metadata?.name ?? '' });
      assert.deepEqual(once(stored), [0, 'Never']);
      assert.deepEqual(plain(stored.metadata?.annotations), { [MARK]: FIRST_MARK });
      const line = await lastCall(metadata?.name ?? '');
      assert.deepEqual(
        [line.message, line.namespace, line.operation, line.backoffLimit, line.restartPolicy],
        ['admission request patched', 'team-a', 'CREATE', 2147483647, 'OnFailure'],
      );
    });
  }

  it('a capped Job keeps all fields except backoffLimit and restartPolicy', async () => {
    const sent = await job('create-terraform-apply', 'whole-apply');
    const stored = await cluster.createJob(sent);
    const { containers, initContainers, volumes } = stored.spec?.template.spec ?? {};
    const wanted = sent.spec?.template.spec;
    assert.deepEqual(JSON.parse(JSON.stringify({ containers, initContainers, volumes })), {
      containers: wanted?.containers,
      initContainers: wanted?.initContainers,
      volumes: wanted?.volumes,
    });
  });

  it('a Job of the largest size that etcd accepts is capped, although its review is six times larger', async () => {
    const recorded = await job('create-terraform-apply', 'angles-apply');
    const [container, ...others] = recorded.spec?.template.spec?.containers ?? [];
    assert.ok(container && recorded.spec?.template.spec);
    const env = [...(container.env ?? []), { name: 'ANGLES', value: '<'.repeat(1250 * 1024) }];
    recorded.spec.template.spec.containers = [{ ...container, env }, ...others];
    assert.deepEqual(once(await cluster.createJob(recorded)), [0, 'Never']);
  });

  it('the API server does not call the webhook for a Job that no rule matches', async () => {
    const plain = await cluster.createJob(await job('create-plain-job', 'plain'));
    await cluster.annotateJob(plain);
    const sent = await job('create-plain-job', 'ends-in-apply');
    assert.deepEqual(once(await cluster.createJob(sent)), once(sent));
    // The API server calls the webhook for this last Job. Once this call is logged, calls for the earlier Jobs would
    // be logged too.
    await cluster.createJob(await job('create-terraform-apply', 'after-plain-apply'));
    await lastCall('after-plain-apply');
    assert.deepEqual([...calls('plain'), ...calls('ends-in-apply')], []);
  });

  it('an UPDATE of a Job that was stored uncapped lowers backoffLimit and keeps restartPolicy', async () => {
    const name = { namespace: 'before', name: 'earlier-apply' };
    const before = await cluster.batch.readNamespacedJob(name);
    const after = await cluster.annotateJob(before);
    assert.deepEqual(once(after), [0, 'OnFailure']);
    assert.deepEqual(plain(after.spec), { ...plain(before.spec), backoffLimit: 0 });
    assert.equal(marked(after), '{"rule":"terraform","backoffLimit":2147483647}');
  });

  it('a mark that the client sends stays, and a mark that a user removes from a capped Job is not made again', async () => {
    const { metadata, ...rest } = await job('create-terraform-apply', 'own-mark-apply');
    const stored = await cluster.createJob({ ...rest, metadata: { ...metadata, annotations: { [MARK]: 'x' } } });
    assert.deepEqual([...once(stored), marked(stored)], [0, 'Never', 'x']);
    const removed = await cluster.batch.patchNamespacedJob(
      { name: 'own-mark-apply', namespace: 'team-a', body: { metadata: { annotations: { [MARK]: null } } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
    assert.deepEqual([...once(removed), marked(removed)], [0, 'Never', undefined]);
  });

  it('a Job with as many annotations as the API server permits is capped without a mark', async () => {
    const { metadata, ...rest } = await job('create-terraform-apply', 'annotated-apply');
    const annotations = (bytes: number) => ({ note: 'x'.repeat(bytes - 'note'.length) });
    const create = (bytes: number) =>
      cluster.createJob({ ...rest, metadata: { ...metadata, annotations: annotations(bytes) } });
    await assert.rejects(create(256 * 1024 + 1), { code: 422 });
    const stored = await create(256 * 1024);
    assert.deepEqual([...once(stored), marked(stored)], [0, 'Never', undefined]);
  });

  it('a dry run returns the capped Job and stores nothing', async () => {
    const namespace = 'before';
    await daemon.stop('SIGKILL');
    const stored = await cluster.createJob(await job('create-terraform-apply', 'dry-apply', namespace));
    assert.deepEqual(once(stored), [2147483647, 'OnFailure'], 'failurePolicy Ignore lets it through');

    const { port } = daemon;
    // With the backstop on, it could cap the stored Job before the dry run.
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, port, flags: ['--heal=off'] });
    await daemon.line('ready');
    await eventually(async () => {
      assert.equal((await cluster.annotateJob(stored, { isDryRun: true })).spec?.backoffLimit, 0);
    });
    assert.equal((await lastCall('dry-apply')).dryRun, true);
    const after = await cluster.batch.readNamespacedJob({ namespace, name: 'dry-apply' });
    assert.equal(after.spec?.backoffLimit, 2147483647);
  });

  it('the API server does not call the endpoint for an update of a Job that is already capped', async () => {
    const first = await cluster.createJob(await job('create-terraform-apply', 'done-apply'));
    await cluster.annotateJob(first);
    // The API server calls the webhook for this last Job. Once this call is logged, a call for the annotated Job would
    // be logged too.
    await cluster.createJob(await job('create-terraform-apply', 'after-done-apply'));
    await lastCall('after-done-apply');
    assert.deepEqual(
      calls('done-apply').map(({ operation }) => operation),
      ['CREATE'],
    );
  });

  it('a Job with a forged status or deletionTimestamp is capped', async () => {
    const recorded = await job('create-terraform-apply', 'born-failed-apply');
    const stored = await cluster.createJob({
      ...recorded,
      metadata: { ...recorded.metadata, deletionTimestamp: new Date() },
      status: {
        conditions: [
          { type: 'Failed', status: 'True' },
          { type: 'Complete', status: 'True' },
        ],
      },
    });
    assert.deepEqual(once(stored), [0, 'Never']);
  });

  it('a Job with generateName is capped', async () => {
    const recorded = await job('create-terraform-apply', '');
    const { name: _name, ...metadata } = recorded.metadata ?? {};
    const stored = await cluster.createJob({ ...recorded, metadata: { ...metadata, generateName: 'made-up-' } });
    assert.deepEqual(once(stored), [0, 'Never']);
  });

  it('the audit log of the API server has the policy rule and the changed fields of a capped Job', async () => {
    await cluster.createJob(await job('create-terraform-apply', 'audited-apply'));
    await eventually(async () => {
      const lines = (await readFile(join(folder, 'audit.log'), 'utf8')).trim().split('\n');
      const event = lines.map((line) => JSON.parse(line)).find(({ objectRef }) => objectRef?.name === 'audited-apply');
      assert.equal(event?.annotations['modify.terraform.job.kb.io/rule'], 'terraform');
      assert.match(event?.annotations['modify.terraform.job.kb.io/changes'], /backoffLimit 2147483647 -> 0/);
    });
  });
});
