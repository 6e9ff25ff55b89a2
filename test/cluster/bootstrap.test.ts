import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { V1Secret } from '@kubernetes/client-node';
import { type Cluster, SECRET, SERVER_NAME, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon, untilRestartRenews } from '../support/cluster/daemon.ts';
import { opensslVerify } from '../support/cluster/openssl.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';

const text = (secret: V1Secret | undefined, key: string): string =>
  Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();

const base64 = (value: string): string => Buffer.from(value).toString('base64');

describe('the start of a daemon on a real API server, with only the rights of manifests/base/rbac.yaml', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.stop());
  beforeEach(() => cluster.forgetDaemon());

  const start = (...flags: string[]) => startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags });

  async function liveBundle(): Promise<string> {
    const registration = await cluster.registration();
    return Buffer.from(registration?.webhooks?.[0]?.clientConfig.caBundle ?? '', 'base64').toString();
  }

  async function assertVerified(secret: V1Secret | undefined, ca: string): Promise<void> {
    const verification = { ca, at: new Date(), hostname: SERVER_NAME };
    assert.equal(await opensslVerify(text(secret, 'tls.crt'), verification), 'OK');
  }

  it('a daemon creates the Secret and the registration on an empty cluster', async (t) => {
    const daemon = await start();
    t.after(() => daemon.stop());
    await daemon.line('ready');

    const secret = await cluster.secret();
    assert.equal(secret?.type, 'kubernetes.io/tls');
    assert.equal(secret?.metadata?.labels?.['app.kubernetes.io/managed-by'], 'terraform-daemon');
    assert.deepEqual(Object.keys(secret?.data ?? {}).sort(), ['ca.crt', 'ca.key', 'tls.crt', 'tls.key']);
    const annotations = secret?.metadata?.annotations ?? {};
    assert.equal(annotations['terraform.job.kb.io/ca-issued-because'], 'absent');
    assert.equal(
      annotations['terraform.job.kb.io/serving-fingerprint-sha256'],
      new X509Certificate(text(secret, 'tls.crt')).fingerprint256,
    );
    assert.equal(await liveBundle(), text(secret, 'ca.crt'));
  });

  it('the daemon serves a chain that openssl and a TLS client verify with the live CA bundle', async (t) => {
    const daemon = await start();
    t.after(() => daemon.stop());
    await daemon.line('ready');

    const secret = await cluster.secret();
    const ca = await liveBundle();
    await assertVerified(secret, ca);
    const presented = await presentedCertificate(daemon.port, { ca, servername: SERVER_NAME });
    assert.equal(presented.fingerprint256, new X509Certificate(text(secret, 'tls.crt')).fingerprint256);
  });

  it('with the default --rotate-on-start=true, a restart of the daemon renews the serving certificate and keeps the CA', async (t) => {
    const first = await start();
    await first.line('ready');
    const before = await cluster.secret();
    assert.equal(await first.stop(), 0);
    await untilRestartRenews(before);

    const second = await start();
    t.after(() => second.stop());
    const issued = await second.line('certificates issued');
    assert.deepEqual([issued.action, issued.reason], ['renew', 'restart']);
    await second.line('ready');
    const after = await cluster.secret();
    for (const key of ['ca.crt', 'ca.key']) assert.equal(after?.data?.[key], before?.data?.[key], key);
    for (const key of ['tls.crt', 'tls.key']) assert.notEqual(after?.data?.[key], before?.data?.[key], key);
    assert.equal(after?.metadata?.annotations?.['terraform.job.kb.io/ca-issued-because'], 'absent');
    assert.equal(after?.metadata?.annotations?.['terraform.job.kb.io/serving-issued-because'], 'restart');
  });

  it('with --rotate-on-start=false a restarted daemon writes nothing if Secret and registration are correct', async (t) => {
    const first = await start();
    await first.line('ready');
    const port = first.port;
    await first.stop();
    const before = [await cluster.secret(), await cluster.registration()].map((o) => o?.metadata?.resourceVersion);

    const flags = ['--rotate-on-start=false'];
    const second = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags, port });
    t.after(() => second.stop());
    await second.line('ready');
    const after = [await cluster.secret(), await cluster.registration()].map((o) => o?.metadata?.resourceVersion);
    assert.deepEqual(after, before);
  });

  const damages: { name: string; reason: string; data: Record<string, string> }[] = [
    { name: 'an unparsable serving certificate', reason: 'unparsable', data: { 'tls.crt': base64('junk') } },
    { name: 'an emptied serving certificate', reason: 'unparsable', data: { 'tls.crt': '', 'tls.key': '' } },
    { name: 'no CA key', reason: 'ca-lost', data: { 'ca.key': '' } },
    { name: 'an unparsable CA', reason: 'unparsable', data: { 'ca.crt': base64('junk') } },
    {
      name: 'empty certificates and keys',
      reason: 'absent',
      data: { 'tls.crt': '', 'tls.key': '', 'ca.crt': '', 'ca.key': '' },
    },
  ];
  for (const { name, reason, data } of damages) {
    it(`a restarted daemon repairs a Secret with ${name} and logs the reason ${reason}`, async (t) => {
      const first = await start();
      await first.line('ready');
      await first.stop();
      const healthy = await cluster.secret();
      assert.ok(healthy);
      await cluster.core.replaceNamespacedSecret({
        namespace: 'vela-system',
        name: SECRET,
        body: { ...healthy, data: { ...healthy.data, ...data } },
      });

      const second = await start('--rotate-on-start=false');
      t.after(() => second.stop());
      assert.equal((await second.line('certificates issued')).reason, reason);
      await second.line('ready');
      const secret = await cluster.secret();
      const ca = await liveBundle();
      assert.equal(ca, text(secret, 'ca.crt'));
      await presentedCertificate(second.port, { ca, servername: SERVER_NAME });
      await assertVerified(secret, ca);
    });
  }

  it('a daemon does not overwrite a Secret without the managed-by label, and logs the command that sets the label', async (t) => {
    const data = { 'tls.crt': base64('theirs'), 'tls.key': base64('theirs') };
    await cluster.core.createNamespacedSecret({
      namespace: 'vela-system',
      body: { metadata: { name: SECRET }, type: 'kubernetes.io/tls', data },
    });

    const daemon = await start();
    t.after(() => daemon.stop());
    const failure = await daemon.line('reconcile failed, will try again');
    assert.equal(failure.code, 'SECRET_NOT_OURS');
    assert.match(String(failure.error), /kubectl -n vela-system label secret terraform-job-webhook-cert/);
    assert.deepEqual((await cluster.secret())?.data, data);
  });

  it('a daemon at log level debug logs no private key', async (t) => {
    const daemon = await start('--log-level=debug');
    t.after(() => daemon.stop());
    await daemon.line('ready');
    const secret = await cluster.secret();
    const output = daemon.output();
    assert.doesNotMatch(output, /PRIVATE KEY/);
    for (const key of ['tls.key', 'ca.key']) {
      const lines = text(secret, key)
        .split('\n')
        .filter((line) => line.length === 64);
      assert.ok(lines.length > 10);
      for (const line of lines) assert.ok(!output.includes(line), `a line of ${key} is in the log`);
      assert.ok(!output.includes(secret?.data?.[key]?.slice(0, 100) ?? 'nothing'), `${key} is in the log`);
    }
  });

  it('a daemon becomes ready with the Secret of an earlier daemon', async (t) => {
    const first = await start();
    await first.line('ready');
    await first.stop();
    const second = await start();
    t.after(() => second.stop());
    const { sinceStartMs } = await second.line('ready');
    t.diagnostic(`started to ready with an existing Secret: ${sinceStartMs} ms`);
  });
});
