import assert from 'node:assert/strict';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { aTerraformJob } from '../support/builders/a-job.ts';
import { aReview } from '../support/builders/a-review.ts';
import { clientAuthority } from '../support/builders/client-certificates.ts';
import { NAMESPACE, SERVER_NAME, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { post } from '../support/cluster/endpoint.ts';
import { eventually } from '../support/eventually.ts';

/**
 * Writes the AdmissionConfiguration with the client certificate that an API server presents to webhooks.
 *
 * @see
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#authenticate-apiservers
 */
async function admissionConfiguration(folder: string, client: { certFile: string; keyFile: string }, port: number) {
  const kubeconfig = join(folder, 'admission-kubeconfig.yaml');
  const user = { 'client-certificate': client.certFile, 'client-key': client.keyFile };
  const users = [{ name: `${SERVER_NAME}:${port}`, user }];
  await writeFile(kubeconfig, JSON.stringify({ apiVersion: 'v1', kind: 'Config', users }));
  const configuration = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'WebhookAdmissionConfiguration',
    kubeConfigFile: kubeconfig,
  };
  const file = join(folder, 'admission.yaml');
  const plugins = [{ name: 'MutatingAdmissionWebhook', configuration }];
  await writeFile(
    file,
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AdmissionConfiguration', plugins }),
  );
  return file;
}

test('only an API server with an admission kubeconfig can call a daemon that requires client certificates', async (t) => {
  const folder = await aFolder(t, {});
  const [authority, other] = [await clientAuthority(folder), await clientAuthority(folder, 'others')];
  const caFile = join(folder, 'client-ca.pem');
  await copyFile(authority.caFile, caFile);
  const port = await freePort();
  const client = await authority.issue('kube-apiserver');
  const file = await admissionConfiguration(folder, client, port);
  const cluster = await startCluster({ apiServerArgs: [`--admission-control-config-file=${file}`] });
  t.after(() => cluster.stop());
  const flags = [
    `--client-ca-file=${caFile}`,
    '--client-name=kube-apiserver',
    '--tls-min-version=TLSv1.3',
    '--failure-policy=Fail',
  ];
  const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, port, flags });
  t.after(() => daemon.stop('SIGKILL'));
  await daemon.line('ready');
  await cluster.createNamespace('team-a');
  // Each attempt has a name of its own, because the API server can store a Job before it sees the registration.
  let attempts = 0;
  const createJob = () => {
    attempts += 1;
    return cluster.createJob(aTerraformJob({ name: `attempt-${attempts}` }));
  };
  const limit = async () => (await createJob()).spec?.backoffLimit;

  await eventually(async () => assert.equal(await limit(), 0), { withinMs: 60_000 });
  const secret = await cluster.secret();
  const target = { port, caBundle: Buffer.from(secret?.data?.['ca.crt'] ?? '', 'base64').toString('utf8') };
  await assert.rejects(post(target, aReview()), { code: /ECONNRESET|EPIPE|ALERT/ } as never);
  assert.equal((await daemon.probe('/readyz')).status, 200);
  const { text: metrics } = await daemon.probe('/metrics');
  assert.match(metrics, /^terraform_daemon_connections_refused_total\{reason="client-refused"\} [1-9]/m);

  // With another CA in `--client-ca-file`, the endpoint must refuse the API server that it accepted before. With
  // failurePolicy Fail the API server then rejects the Job.
  const replaceCa = async (text: string) => {
    await writeFile(`${caFile}.new`, text);
    await rename(`${caFile}.new`, caFile);
  };
  await replaceCa('no certificate');
  const refused = await daemon.line('client CA bundle invalid, keeping the last valid one');
  assert.equal(refused.code, 'CLIENT_CA_INVALID');
  assert.equal(await limit(), 0);
  await replaceCa(other.ca);
  await daemon.line('client CA bundle loaded');
  // An open connection of the API server gets one more response after the CA was replaced.
  await eventually(() => assert.rejects(createJob()));
  await replaceCa(authority.ca + other.ca);
  await eventually(async () => assert.equal(await limit(), 0));
  // The daemon logs the change of the CA before it writes the Event.
  await eventually(async () => {
    const { items } = await cluster.core.listNamespacedEvent({ namespace: NAMESPACE });
    const reasons = items.map(({ reason }) => reason);
    assert.ok(reasons.includes('ClientCaInvalid') && reasons.includes('ClientCaLoaded'), String(reasons));
  });
});
