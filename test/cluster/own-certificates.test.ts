import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { issueCertificateAuthority, issueServingCertificate } from '../../src/certs/issue.ts';
import { readConfig } from '../../src/cli/config.ts';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, SERVER_NAME, startCluster } from '../support/cluster/cluster.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { openssl } from '../support/cluster/openssl.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';
import { eventually } from '../support/eventually.ts';

const { certificates } = readConfig({});

describe('user-provided certificates, and a webhook URL instead of a Service', () => {
  let cluster: Cluster;
  let folder: string;
  before(async () => {
    cluster = await startCluster();
    await cluster.createNamespace('team-a');
  });
  after(() => cluster.stop());
  beforeEach(async () => {
    await cluster.forgetDaemon();
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-own-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function someFiles(): Promise<Readonly<Record<'ca.pem' | 'cert.pem' | 'key.pem', string>>> {
    const ca = await issueCertificateAuthority(certificates, new Date());
    const serving = await issueServingCertificate(certificates, ca, new Date());
    return { 'ca.pem': ca.certificate, 'cert.pem': serving.certificate, 'key.pem': serving.privateKey };
  }

  async function put(files: Readonly<Record<string, string>>, into = folder): Promise<void> {
    for (const [file, content] of Object.entries(files)) {
      // Each file is renamed into place, so that the daemon never reads a partial file.
      await writeFile(join(into, `.${file}`), content);
      await rename(join(into, `.${file}`), join(into, file));
    }
  }

  async function bring(): Promise<{ readonly ca: string; readonly certificate: string }> {
    const files = await someFiles();
    await put(files);
    return { ca: files['ca.pem'], certificate: files['cert.pem'] };
  }

  const liveBundle = async (): Promise<string> => {
    const registration = await cluster.registration();
    return Buffer.from(registration?.webhooks?.[0]?.clientConfig.caBundle ?? '', 'base64').toString();
  };

  const capsJobs = async (name: string) => {
    const job = await recordedJob('create-terraform-apply', 'team-a');
    await eventually(async () => {
      const stored = await cluster.createJob({ ...job, metadata: { ...job.metadata, name: `${name}-${Date.now()}` } });
      assert.equal(stored.spec?.backoffLimit, 0);
    });
  };

  it('user-provided certificates are presented, published as CA bundle and reloaded, and no Secret is written', async (t) => {
    const first = await bring();
    const flags = [`--webhook-cert-path=${folder}`];
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags });
    t.after(() => daemon.stop());
    await daemon.line('ready');
    assert.equal(await liveBundle(), first.ca);
    await presentedCertificate(daemon.port, { ca: first.ca, servername: SERVER_NAME });
    await capsJobs('first');

    const second = await bring();
    await daemon.line('serving certificate swapped');
    await presentedCertificate(daemon.port, { ca: second.ca, servername: SERVER_NAME });
    await presentedCertificate(daemon.port, { ca: await liveBundle(), servername: SERVER_NAME });
    await capsJobs('second');
    assert.equal(await cluster.secret(), undefined);
  });

  async function twoReplicas(t: TestContext, files: Readonly<Record<string, string>>) {
    const replicas: { readonly daemon: Daemon; readonly place: string }[] = [];
    const servicePort = await freePort();
    for (const _ of ['one', 'another']) {
      const place = await aFolder(t, files);
      const daemon = await startDaemon({
        kubeconfig: cluster.daemonKubeconfig,
        flags: [`--webhook-cert-path=${place}`, '--heal=off'],
        servicePort,
      });
      t.after(() => daemon.stop());
      await daemon.line('ready');
      replicas.push({ daemon, place });
    }
    return replicas;
  }

  it('if ca.pem has the old and the new CA, two replicas that read new certificate files at different times stay trusted', async (t) => {
    const old = await someFiles();
    const next = await someFiles();
    const replicas = await twoReplicas(t, old);
    /** Fails once a replica presents a certificate that the live bundle does not verify. */
    const putEverywhere = async (files: Readonly<Record<string, string>>) => {
      for (const { place } of replicas) {
        await put(files, place);
        // Each replica watches the registration. A write of the CA bundle by one replica makes the other replica
        // reconcile during these checks.
        for (let looks = 0; looks < 50; looks += 1) {
          const ca = await liveBundle();
          for (const { daemon } of replicas) await presentedCertificate(daemon.port, { ca, servername: SERVER_NAME });
        }
      }
    };
    const bothCas = old['ca.pem'] + next['ca.pem'];
    await putEverywhere({ 'ca.pem': bothCas });
    await eventually(async () => assert.equal(await liveBundle(), bothCas));
    await putEverywhere({ 'cert.pem': next['cert.pem'], 'key.pem': next['key.pem'] });
    for (const { daemon } of replicas) await daemon.line('serving certificate swapped');
    await putEverywhere({ 'ca.pem': next['ca.pem'] });
    await eventually(async () => assert.equal(await liveBundle(), next['ca.pem']));
  });

  it('a self-signed certificate of openssl req -x509, which is also a CA, is accepted as user-provided certificate', async (t) => {
    const { isOk, output } = await openssl([
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=webhook'],
      ...['-addext', `subjectAltName=DNS:${SERVER_NAME}`],
      ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
    ]);
    assert.ok(isOk, output);
    const flags = [`--webhook-cert-path=${folder}`];
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags });
    t.after(() => daemon.stop());
    await capsJobs('openssl');
    assert.equal((await daemon.probe('/readyz')).status, 200);
  });

  it('damaged certificate files are logged, and the last valid ones stay in use', async (t) => {
    const { ca } = await bring();
    const daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      flags: [`--webhook-cert-path=${folder}`],
    });
    t.after(() => daemon.stop());
    await daemon.line('ready');
    await writeFile(join(folder, 'cert.pem'), 'junk');
    const failure = await daemon.line('reconcile failed, will try again');
    assert.equal(failure.code, 'CERTIFICATE_FILES_INVALID');
    assert.match(String(failure.error), /cert\.pem/);
    await presentedCertificate(daemon.port, { ca, servername: SERVER_NAME });
    assert.equal((await daemon.probe('/readyz')).status, 200);
  });

  it('a daemon whose certificate files are missing at the start names the missing file, and is ready after they were added', async (t) => {
    const daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      flags: [`--webhook-cert-path=${folder}`],
    });
    t.after(() => daemon.stop());
    const failure = await daemon.line('reconcile failed, will try again');
    assert.equal(failure.code, 'CERTIFICATE_FILES_INVALID');
    assert.match(String(failure.error), /\/cert\.pem: file not found$/);
    await bring();
    await daemon.line('ready');
  });

  for (const host of ['127.0.0.1', 'localhost']) {
    it(`with --webhook-url the daemon issues a certificate for the host ${host}, and the API server calls this URL`, async (t) => {
      const port = await freePort();
      const flags = [`--webhook-url=https://${host}:${port}`];
      const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags, port });
      t.after(() => daemon.stop());
      await daemon.line('ready');
      const registration = await cluster.registration();
      assert.equal(registration?.webhooks?.[0]?.clientConfig.url, `https://${host}:${port}/modify-terraform-job`);
      assert.equal(registration?.webhooks?.[0]?.clientConfig.service, undefined);
      const inspected = await spawnCommand(['inspect', `--kubeconfig=${cluster.daemonKubeconfig}`, ...flags]);
      assert.equal(inspected.exitCode, 0, inspected.stdout);
      await capsJobs(`url-${host.replaceAll('.', '-')}`);
    });
  }
});
