import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, SERVER_NAME, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';

describe('five daemons that start at once on an empty namespace', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.stop());

  it('five daemons that start at once agree on one CA, and each presents a chain that the live CA bundle verifies', async (t) => {
    const daemons = await Promise.all(
      Array.from({ length: 5 }, () => startDaemon({ kubeconfig: cluster.daemonKubeconfig })),
    );
    t.after(() => Promise.all(daemons.map((daemon) => daemon.stop())));
    await Promise.all(daemons.map((daemon) => daemon.line('ready')));

    const secret = await cluster.secret();
    const registration = await cluster.registration();
    const bundle = registration?.webhooks?.[0]?.clientConfig.caBundle ?? '';
    assert.equal(bundle, secret?.data?.['ca.crt']);
    const ca = Buffer.from(bundle, 'base64').toString();
    assert.equal(ca.match(/BEGIN CERTIFICATE/g)?.length, 1);
    for (const daemon of daemons) await presentedCertificate(daemon.port, { ca, servername: SERVER_NAME });
    const rotations = daemons.flatMap(({ lines }) => lines.filter(({ action }) => action === 'replace'));
    assert.equal(rotations.length, 1, 'one of them issued the certificate authority');
  });
});
