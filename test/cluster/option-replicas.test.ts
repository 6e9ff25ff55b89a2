import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PatchStrategy, setHeaderOptions, type V1MutatingWebhook } from '@kubernetes/client-node';
import { entryOf } from '../support/chaos/damages.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

describe('replicas with different options, as during a rollout', () => {
  let cluster: Cluster;
  const daemons: Daemon[] = [];
  before(async () => {
    cluster = await startCluster();
  });
  after(async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await cluster?.stop();
  });

  const start = async (...flags: readonly string[]) => {
    const servicePort = daemons[0]?.port;
    const daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      // The requested rotation must not end, and so change the CA bundle, during the later tests.
      flags: ['--rotate-on-start=false', '--settle-time=1h', ...flags],
      ...(servicePort ? { servicePort } : {}),
    });
    daemons.push(daemon);
    await daemon.line('ready');
    return daemon;
  };
  const live = async () => {
    const { failurePolicy, timeoutSeconds } = entryOf(await cluster.registration()) ?? {};
    return [failurePolicy, timeoutSeconds];
  };
  const writesOf = ({ lines }: Daemon) =>
    lines.filter(({ message }) => message === 'webhook configuration updated').length;
  /** Edits the entry of the daemon. Reads it again if a daemon has written in between. */
  const edit = (change: (entry: V1MutatingWebhook) => unknown) =>
    eventually(async () => {
      const body = await cluster.admission.readMutatingWebhookConfiguration({ name: REGISTRATION });
      change(entryOf(body) ?? assert.fail());
      await cluster.admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body, fieldManager: 'admin' });
    });
  const editSelector = (rotate: string) => edit((entry) => (entry.namespaceSelector = { matchLabels: { rotate } }));

  it('if two replicas have different options, only the Lease holder writes its options to the registration, and the other replica does not revert them', async () => {
    const old = await start();
    // A replica with the same host name takes the Lease at once, as after a restart.
    const young = await start('--failure-policy=Fail', '--timeout-seconds=7');
    // A daemon becomes ready without the Lease if its first check of the Lease takes longer than two seconds.
    await eventually(async () => assert.deepEqual(await live(), ['Fail', 7]));
    await old.line('stopped watching jobs: lease lost');
    const { fields } = await old.line('webhook settings differ from this replica, left to the lease holder');
    assert.deepEqual(fields, ['failurePolicy', 'timeoutSeconds']);
    // The changed namespaceSelector makes both replicas reconcile again. It is not drift, so neither replica writes the
    // registration.
    const passes = () => old.lines.filter(({ message }) => message === 'reconciled').length;
    const before = passes();
    await editSelector('once');
    await eventually(() => assert.ok(passes() > before));
    assert.deepEqual(await live(), ['Fail', 7]);
    await eventually(() => assert.deepEqual([writesOf(old), writesOf(young)], [0, 1]));
  });

  it('if two replicas have different options, a requested CA rotation changes the caBundle, and failurePolicy keeps the value of the Lease holder', async () => {
    const before = entryOf(await cluster.registration())?.clientConfig.caBundle;
    const metadata = { annotations: { 'terraform.job.kb.io/rotate': 'ca' } };
    await cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body: { metadata } }, MERGE);
    await eventually(async () => {
      const { clientConfig, failurePolicy } = entryOf(await cluster.registration()) ?? {};
      assert.notEqual(clientConfig?.caBundle, before);
      assert.equal(failurePolicy, 'Fail');
    });
  });

  const edits: Readonly<Record<string, (entry: V1MutatingWebhook) => unknown>> = {
    'an edited failurePolicy': (entry) => (entry.failurePolicy = 'Ignore'),
    'an edited timeoutSeconds': (entry) => (entry.timeoutSeconds = 29),
    'a removed path': ({ clientConfig: { service } }) => delete service?.path,
    'removed rules': (entry) => (entry.rules = []),
    'an added match condition that is never true': (entry) =>
      (entry.matchConditions = [...(entry.matchConditions ?? []), { name: 'never', expression: 'false' }]),
    'a removed match condition': (entry) => entry.matchConditions?.pop(),
  };
  for (const [what, change] of Object.entries(edits)) {
    it(`replicas with different options repair ${what} to the options of the Lease holder`, async () => {
      const before = entryOf(await cluster.registration());
      await edit(change);
      await eventually(async () => {
        const after = entryOf(await cluster.registration());
        for (const field of ['clientConfig', 'rules', 'matchConditions'] as const) {
          assert.deepEqual(after?.[field], before?.[field]);
        }
        assert.deepEqual(await live(), ['Fail', 7]);
      });
    });
  }

  it('if two replicas have different options, a removed caBundle is restored with the options of the Lease holder unchanged', async () => {
    const before = entryOf(await cluster.registration())?.clientConfig.caBundle;
    await edit((entry) => delete entry.clientConfig.caBundle);
    await eventually(async () => assert.equal(entryOf(await cluster.registration())?.clientConfig.caBundle, before), {
      withinMs: promisedMs(2_000),
    });
    assert.deepEqual(await live(), ['Fail', 7]);
  });

  it('after the Lease holder has stopped, the next holder publishes its own options', async () => {
    const [old, young] = daemons;
    assert.ok(old && young);
    await young.stop();
    await eventually(async () => assert.deepEqual(await live(), ['Ignore', 5]), { withinMs: promisedMs(10_000) });
    // The registration can change before the replica logs its write.
    await eventually(() => {
      const last = old.lines.findLast(({ message }) => message === 'webhook configuration updated');
      assert.deepEqual(last?.drift, ['failurePolicy', 'timeoutSeconds']);
    });
  });

  it('no replica logs a conflict while their options differ', () => {
    for (const { lines } of daemons) {
      assert.deepEqual(
        lines.filter(({ message }) => /undoes/.test(message)),
        [],
      );
    }
  });
});
