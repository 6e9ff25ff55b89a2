import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { type Cluster, NAMESPACE, SECRET, SERVER_NAME, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, type LogLine, startDaemon } from '../support/cluster/daemon.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';
import { eventually } from '../support/eventually.ts';

const ROTATE = 'terraform.job.kb.io/rotate';

describe('a Secret that can only be deleted and created again', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster?.stop());
  afterEach(async () => {
    await daemon.stop();
    await cluster.forgetDaemon();
  });

  async function start(): Promise<void> {
    const flags = ['--settle-time=1s', '--rotate-on-start=false', '--log-level=debug'];
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags });
    await daemon.line('ready');
  }
  const patch = (body: object) =>
    cluster.core.patchNamespacedSecret(
      { namespace: NAMESPACE, name: SECRET, body },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  async function presented() {
    const registration = await cluster.registration();
    const ca = Buffer.from(registration?.webhooks?.[0]?.clientConfig.caBundle ?? '', 'base64').toString();
    return (await presentedCertificate(daemon.port, { ca, servername: SERVER_NAME })).fingerprint256;
  }

  it('the daemon replaces an immutable Secret only when a write is due, and the new Secret keeps the CA and the fields of other writers', async () => {
    await start();
    const before = await cluster.secret();
    await patch({ metadata: { labels: { team: 'platform' } }, data: { note: 'eA==' }, immutable: true });
    const isSeen = ({ message, reasons }: LogLine) =>
      message === 'reconciled' && `${reasons}`.includes('secret-changed');
    await eventually(() => assert.ok(daemon.lines.some(isSeen)));
    assert.equal((await cluster.secret())?.metadata?.uid, before?.metadata?.uid);
    await patch({ metadata: { annotations: { [ROTATE]: 'serving' } } });
    await eventually(async () => {
      const after = await cluster.secret();
      assert.notEqual(after?.metadata?.uid, before?.metadata?.uid);
      assert.equal(after?.immutable ?? false, false);
      assert.deepEqual([after?.metadata?.labels?.team, after?.data?.note], ['platform', 'eA==']);
      assert.equal(after?.data?.['ca.key'], before?.data?.['ca.key']);
      assert.notEqual(after?.data?.['tls.crt'], before?.data?.['tls.crt']);
      assert.equal(after?.metadata?.annotations?.[ROTATE], undefined);
    });
  });

  it('if an admission policy refuses the replacement of an immutable Secret, the daemon logs this, keeps its certificate, and later creates the Secret with the same CA', async () => {
    await start();
    const before = await cluster.secret();
    const fingerprint = await presented();
    const lift = await refuseNewSecrets(cluster);
    await patch({ metadata: { annotations: { [ROTATE]: 'serving' } }, immutable: true });
    const failure = await daemon.line('reconcile failed, will try again');
    assert.match(String(failure.error), /no new Secrets today/);
    assert.equal(await cluster.secret(), undefined);
    assert.equal(await presented(), fingerprint);
    await lift();
    await eventually(
      async () => {
        const after = await cluster.secret();
        assert.equal(after?.data?.['ca.key'], before?.data?.['ca.key']);
        assert.equal(after?.metadata?.annotations?.[ROTATE], undefined);
      },
      { withinMs: 90_000 },
    );
  });

  it('while a finalizer blocks the deletion of an immutable Secret, the error names the finalizer, and the Secret that replaces it has the same CA', async () => {
    await start();
    const before = await cluster.secret();
    await patch({
      metadata: { annotations: { [ROTATE]: 'serving' }, finalizers: ['example.com/backup'] },
      immutable: true,
    });
    const failure = await daemon.line('reconcile failed, will try again');
    assert.match(
      String(failure.error),
      /waits for the finalizers example\.com\/backup\. .*kubectl -n vela-system patch/,
    );
    assert.equal((await cluster.secret())?.metadata?.uid, before?.metadata?.uid);
    await patch({ metadata: { finalizers: [] } });
    await eventually(
      async () => {
        const after = await cluster.secret();
        assert.ok(after);
        assert.notEqual(after.metadata?.uid, before?.metadata?.uid);
        assert.equal(after.data?.['ca.key'], before?.data?.['ca.key']);
      },
      { withinMs: 90_000 },
    );
  });
});

/** Refuses a new Secret of the daemon. Resolves, once the API server does so, with a function that lifts the ban. */
async function refuseNewSecrets({ admission, core }: Cluster): Promise<() => Promise<void>> {
  const name = 'no-new-secrets.example.com';
  const metadata = { name };
  const rule = { apiGroups: [''], apiVersions: ['v1'], resources: ['secrets'], operations: ['CREATE'] };
  await admission.createValidatingAdmissionPolicy({
    body: {
      metadata,
      spec: {
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: `object.metadata.name != '${SECRET}'`, message: 'no new Secrets today' }],
      },
    },
  });
  await admission.createValidatingAdmissionPolicyBinding({
    body: { metadata, spec: { policyName: name, validationActions: ['Deny'] } },
  });
  const body = { metadata: { name: SECRET } };
  await eventually(() =>
    assert.rejects(core.createNamespacedSecret({ namespace: NAMESPACE, body, dryRun: 'All' }), /no new Secrets today/),
  );
  return async () => {
    await admission.deleteValidatingAdmissionPolicyBinding({ name });
    await admission.deleteValidatingAdmissionPolicy({ name });
  };
}
