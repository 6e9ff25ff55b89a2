import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PatchStrategy, setHeaderOptions, type V1MutatingWebhook } from '@kubernetes/client-node';
import { entryOf } from '../support/chaos/damages.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

describe('replicas whose options differ, as in a rollout that changes them', () => {
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
      flags: ['--rotate-on-start=false', ...flags],
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
  const writesOf = ({ lines }: Daemon) => lines.filter(({ message }) => message === 'registration updated').length;
  async function edit(change: (entry: V1MutatingWebhook) => unknown): Promise<void> {
    const body = await cluster.admission.readMutatingWebhookConfiguration({ name: REGISTRATION });
    change(entryOf(body) ?? assert.fail());
    await cluster.admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body, fieldManager: 'admin' });
  }
  const annotate = (rotate: string) => edit((entry) => (entry.namespaceSelector = { matchLabels: { rotate } }));

  it('go by those of the one that has started last, and do not undo them', async () => {
    const old = await start();
    const young = await start('--failure-policy=Fail', '--timeout-seconds=7');
    assert.deepEqual(await live(), ['Fail', 7]);
    const { fields } = await old.line('another replica has other options or another policy');
    assert.deepEqual(fields, ['failurePolicy', 'timeoutSeconds']);
    // Both look again, with nothing to do.
    await annotate('once');
    const seen = old.lines.length;
    await eventually(() => assert.ok(old.lines.length > seen));
    assert.deepEqual(await live(), ['Fail', 7]);
    assert.deepEqual([writesOf(old), writesOf(young)], [0, 1]);
  });

  it('rotate certificates as ever meanwhile', async () => {
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
    'an edited failure policy': (entry) => (entry.failurePolicy = 'Ignore'),
    'another timeout': (entry) => (entry.timeoutSeconds = 29),
    'a path that was taken out': ({ clientConfig: { service } }) => delete service?.path,
    'rules that were taken out': (entry) => (entry.rules = []),
    'a condition that is never true': (entry) =>
      (entry.matchConditions = [...(entry.matchConditions ?? []), { name: 'never', expression: 'false' }]),
    'a condition that was taken out': (entry) => entry.matchConditions?.pop(),
  };
  for (const [what, change] of Object.entries(edits)) {
    it(`mend ${what} at once, to what one of them wants`, async () => {
      const before = entryOf(await cluster.registration());
      await edit(change);
      await eventually(
        async () => {
          const after = entryOf(await cluster.registration());
          for (const field of ['clientConfig', 'rules', 'matchConditions'] as const) {
            assert.deepEqual(after?.[field], before?.[field]);
          }
          assert.ok(['Ignore 5', 'Fail 7'].includes((await live()).join(' ')));
        },
        { withinMs: 60_000 },
      );
    });
  }

  it('call nobody of all that a fight', () => {
    for (const { lines } of daemons) {
      assert.deepEqual(
        lines.filter(({ message }) => /undoes|keep to different/.test(message)),
        [],
      );
    }
  });
});
