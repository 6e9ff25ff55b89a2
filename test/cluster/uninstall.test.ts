import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, it } from 'node:test';
import { CoordinationV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { runCommand } from '../support/cluster/command.ts';
import { BUNDLE, type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const LEASE = 'terraform-job-webhook-backstop';
const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const LABEL = 'app.kubernetes.io/managed-by';

describe('terraform-daemon uninstall', () => {
  let cluster: Cluster;
  let leases: CoordinationV1Api;
  let daemon: Daemon | undefined;
  before(async () => {
    cluster = await startCluster();
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    leases = config.makeApiClient(CoordinationV1Api);
  });
  after(() => cluster?.stop());
  afterEach(async () => {
    await daemon?.stop();
    daemon = undefined;
    await cluster.core
      .patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body: { metadata: { finalizers: null } } }, MERGE)
      .catch(() => {});
    await cluster.forgetDaemon();
    await leases.deleteNamespacedLease({ namespace: NAMESPACE, name: LEASE }).catch(() => {});
  });

  const readLease = () => leases.readNamespacedLease({ namespace: NAMESPACE, name: LEASE }).catch(() => undefined);
  const uninstall = (...args: readonly string[]) =>
    runCommand(['uninstall', `--kubeconfig=${cluster.kubeconfig}`, ...args]);
  const isThere = async () =>
    (await Promise.all([cluster.registration(), cluster.secret(), readLease()])).map((object) => object !== undefined);

  /** What a daemon has made, which runs on if it is asked to. */
  async function made({ stop = true } = {}): Promise<void> {
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('ready');
    await daemon.line('watching jobs');
    if (stop) await daemon.stop();
    assert.deepEqual(await isThere(), [true, true, true]);
  }

  it('removes the registration, the Secret and the Lease, in this order', async () => {
    await made();
    const { exitCode, stdout, stderr } = await uninstall('--yes');
    assert.deepEqual([exitCode, stderr], [0, ''], stdout);
    const removed = [...stdout.matchAll(/^(\w+) .*: removed$/gm)].map(([, kind]) => kind);
    assert.deepEqual(removed, ['MutatingWebhookConfiguration', 'Secret', 'Lease']);
    assert.match(stdout, /\ndone\n$/);
    assert.deepEqual(await isThere(), [false, false, false]);
  });

  it('is content where there is nothing', async () => {
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 0);
    assert.match(stdout, /^MutatingWebhookConfiguration .*: there is none\n(.*\n)+done\n$/);
  });

  it('changes nothing with --dry-run, and tells what it would remove', async () => {
    await made();
    const { exitCode, stdout } = await uninstall('--dry-run');
    assert.equal(exitCode, 0);
    assert.match(stdout, /^Secret vela-system\/terraform-job-webhook-cert: to be removed$/m);
    assert.match(stdout, /\nnothing was changed\n$/);
    assert.deepEqual(await isThere(), [true, true, true]);
  });

  it('asks, and takes only a yes for one', async () => {
    await made();
    const answered = async (answer: string) => {
      const child = spawn(process.execPath, [BUNDLE, 'uninstall', `--kubeconfig=${cluster.kubeconfig}`], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(answer);
      const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')]);
      return { exitCode: child.exitCode, stdout };
    };
    for (const answer of ['', 'no\n', 'yesterday\n']) {
      const { exitCode, stdout } = await answered(answer);
      assert.equal(exitCode, 1, answer);
      assert.match(stdout, /Remove them\? \[y\/N\] (.*\n)?not done: nobody has said yes/);
    }
    assert.deepEqual(await isThere(), [true, true, true]);
    assert.equal((await answered('y\n')).exitCode, 0);
    assert.deepEqual(await isThere(), [false, false, false]);
  });

  it('removes nothing while a daemon runs, and says how to stop it', async () => {
    await made({ stop: false });
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 1);
    assert.match(stdout, /\nnot done: a daemon runs \(.* renewed its Lease \d+ s ago\): stop it first/);
    assert.match(stdout, /\n {2}kubectl -n vela-system delete deployment terraform-daemon\n$/);
    const ofAnother = await uninstall('--dry-run', '--owner-cluster-role=job-cap');
    assert.match(ofAnother.stdout, /\n {2}kubectl -n vela-system delete deployment job-cap\n/);
    assert.deepEqual(await isThere(), [true, true, true]);
  });

  it('notices that they come back, where it cannot see from a Lease that a daemon runs', async () => {
    await made({ stop: false });
    // As without the backstop's rights: the holder's next look makes it anew after a few seconds.
    const hidden = { metadata: { labels: null }, spec: { holderIdentity: null, renewTime: null } };
    await leases.patchNamespacedLease({ namespace: NAMESPACE, name: LEASE, body: hidden }, MERGE);
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 1, stdout);
    assert.match(stdout, /^(MutatingWebhookConfiguration|Secret) .*: has come back$/m);
    assert.match(stdout, /^not done: where it has come back, a daemon still runs: stop it first/m);
    await eventually(async () => assert.deepEqual((await isThere()).slice(0, 2), [true, true]));
  });

  it('leaves what has not the label of the daemon', async () => {
    await made();
    const body = { metadata: { labels: { [LABEL]: null } } };
    await cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body }, MERGE);
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 0);
    assert.match(stdout, /^Secret .*: left alone: it has no label/m);
    assert.deepEqual(await isThere(), [false, true, false]);
  });

  const theirs = 'another.example.com';
  const theirOwner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'another', uid: 'another-uid' };
  const patchRegistration = (body: readonly object[]) =>
    cluster.admission.patchMutatingWebhookConfiguration(
      { name: REGISTRATION, body },
      setHeaderOptions('Content-Type', PatchStrategy.JsonPatch),
    );
  /** An entry of somebody else, before ours, and an owner that they have given. */
  async function share(): Promise<void> {
    const [ours] = (await cluster.registration())?.webhooks ?? [];
    assert.ok(ours);
    await patchRegistration([
      { op: 'add', path: '/webhooks/0', value: { ...ours, name: theirs } },
      { op: 'add', path: '/metadata/ownerReferences/-', value: theirOwner },
    ]);
  }
  /** The names of the entries, the labels, and what its owners are called. */
  async function leftThere() {
    const { metadata, webhooks } = (await cluster.registration()) ?? {};
    return [
      webhooks?.map(({ name }) => name),
      metadata?.labels,
      metadata?.ownerReferences?.map(({ name }) => name),
    ] as const;
  }

  it('takes only what is its own out of a registration with entries of others: who own it as well, go on to', async () => {
    await made();
    await share();
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /entry modify\.terraform\.job\.kb\.io and our marks to be taken out; what is of others stays/);
    assert.deepEqual(await leftThere(), [[theirs], undefined, ['another']]);
  });

  it('leaves a registration to others also where its own entry has gone from there, without its marks', async () => {
    await made();
    await share();
    await patchRegistration([{ op: 'remove', path: '/webhooks/1' }]);
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 0, stdout);
    assert.deepEqual(await leftThere(), [[theirs], undefined, ['another']]);
    assert.match((await uninstall('--yes')).stdout, /^MutatingWebhookConfiguration .*: left alone/m);
  });

  it('says that its entry has come back, where a daemon without a Lease puts it back in there', async () => {
    await made({ stop: false });
    await share();
    await leases.deleteNamespacedLease({ namespace: NAMESPACE, name: LEASE });
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 1);
    assert.match(stdout, /^MutatingWebhookConfiguration .*: has come back$/m);
    assert.doesNotMatch(stdout, /finalizers/);
  });

  it('takes only its own entry out of a registration that says that it is of somebody else, who keeps it', async () => {
    await made({ stop: false });
    const labelled = { metadata: { labels: { [LABEL]: 'Helm' } } };
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body: labelled }, MERGE);
    const asked = { metadata: { annotations: { 'terraform.job.kb.io/rotate': 'ca' } } };
    const before = (await cluster.registration())?.webhooks?.[0]?.clientConfig.caBundle;
    await cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body: asked }, MERGE);
    await eventually(async () => {
      const { metadata, webhooks } = (await cluster.registration()) ?? {};
      assert.notEqual(webhooks?.[0]?.clientConfig.caBundle, before, 'the daemon has written it since');
      assert.equal(metadata?.labels?.[LABEL], 'Helm');
    });
    await daemon?.stop();
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 0, stdout);
    const { metadata, webhooks } = (await cluster.registration()) ?? {};
    assert.deepEqual(
      [metadata?.labels, metadata?.ownerReferences, webhooks],
      [{ [LABEL]: 'Helm' }, undefined, undefined],
    );
  });

  it('tells what a finalizer keeps', async () => {
    await made();
    const body = { metadata: { finalizers: ['example.com/keep'] } };
    await cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body }, MERGE);
    const { exitCode, stdout } = await uninstall('--yes');
    assert.equal(exitCode, 1);
    assert.match(stdout, /^Secret .*: goes when its finalizers are gone: example\.com\/keep$/m);
  });
});
