import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { createServer, type Server } from 'node:tls';
import type { CertificatePair } from '../../src/certs/certificate-set.ts';
import type { Pem } from '../../src/lib/pem.ts';
import { aLeaf } from '../support/builders/a-leaf.ts';
import { readApiCredentials } from '../support/cluster/api-credentials.ts';
import {
  type Cluster,
  NAMESPACE,
  REGISTRATION,
  SECRET,
  SERVER_NAME,
  SERVICE,
  startCluster,
} from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { opensslAuthority, opensslVerify } from '../support/cluster/openssl.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';
import { eventually } from '../support/eventually.ts';

const REFUSED = /permitted subtree violation|excluded subtree violation/;
/** Names and addresses of other servers that a thief could try to impersonate. */
const OTHERS = [
  'DNS:kubernetes.default.svc',
  'DNS:localhost',
  `DNS:other.${NAMESPACE}.svc`,
  'DNS:*.svc',
  'IP:127.0.0.1',
];
const nameOf = (san: string) => san.slice(san.indexOf(':') + 1).replace('*', 'any');

describe('an attacker with the private key of the CA', () => {
  let cluster: Cluster;
  let folder: string;
  /** The CA whose client certificates the API server accepts. */
  let clientCa: CertificatePair;
  /**
   * The CA of the daemon with its private key, as a thief can read it with the token of the daemon or in an etcd
   * backup.
   */
  let stolen: CertificatePair;
  before(async () => {
    clientCa = await opensslAuthority('ec');
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-stolen-'));
    await writeFile(join(folder, 'clients.pem'), clientCa.certificate);
    cluster = await startCluster({ apiServerArgs: [`--client-ca-file=${join(folder, 'clients.pem')}`] });
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('ready');
    await daemon.stop();
    const { data = {} } = await cluster.core.readNamespacedSecret({ namespace: NAMESPACE, name: SECRET });
    const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString() as Pem;
    stolen = { certificate: text('ca.crt'), privateKey: text('ca.key') };
    await cluster.admission.deleteMutatingWebhookConfiguration({ name: REGISTRATION });
  });
  after(async () => {
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  async function serve(t: TestContext, { certificate, privateKey }: CertificatePair): Promise<number> {
    // The server answers after the first bytes of a request. If it closed the connection at once, the client could fail
    // before it has sent the request, with one of several errors.
    const server: Server = createServer({ cert: certificate, key: privateKey }, (socket) =>
      socket.once('data', () => socket.end("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n")),
    );
    server.on('tlsClientError', () => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  it('openssl and Node.js trust a certificate for the endpoint that a stolen CA key has signed', async (t) => {
    const leaf = await aLeaf(stolen, { name: `DNS:${SERVER_NAME}` });
    const { certificate: ca } = stolen;
    assert.equal(await opensslVerify(leaf.certificate, { ca, at: new Date(), hostname: SERVER_NAME }), 'OK');
    await presentedCertificate(await serve(t, leaf), { ca, servername: SERVER_NAME });
  });

  for (const name of OTHERS) {
    it(`openssl and Node.js refuse a certificate for ${name} that a stolen CA key has signed`, async (t) => {
      const leaf = await aLeaf(stolen, { name });
      const { certificate: ca } = stolen;
      assert.match(await opensslVerify(leaf.certificate, { ca, at: new Date() }), REFUSED);
      const presented = presentedCertificate(await serve(t, leaf), { ca, servername: nameOf(name) });
      await assert.rejects(presented, REFUSED);
    });
  }

  /** Returns the error that the creator of a Job gets if the webhook behind the Service presents this certificate. */
  async function answer(service: string, pair: CertificatePair, t: TestContext): Promise<string> {
    const port = await serve(t, pair);
    // The API server can still know the registration of an earlier test, so each registration has another name.
    const metadata = { name: `impostor-${service}` };
    const caBundle = Buffer.from(stolen.certificate).toString('base64');
    const webhook = {
      name: `${metadata.name}.example.com`,
      clientConfig: { service: { namespace: NAMESPACE, name: service, port }, caBundle },
      rules: [{ apiGroups: ['batch'], apiVersions: ['v1'], resources: ['jobs'], operations: ['CREATE'] }],
      failurePolicy: 'Fail',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    };
    await cluster.admission.createMutatingWebhookConfiguration({ body: { metadata, webhooks: [webhook] } });
    t.after(() => cluster.admission.deleteMutatingWebhookConfiguration(metadata));
    const spec = { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] };
    const body = { metadata: { name: 'a' }, spec: { template: { spec } } };
    return await eventually(async () => {
      const outcome = await cluster.batch.createNamespacedJob({ namespace: 'default', body, dryRun: 'All' }).then(
        () => 'stored',
        ({ body }) => JSON.parse(body).message as string,
      );
      assert.ok(outcome.includes(`"${webhook.name}"`), outcome);
      return outcome;
    });
  }

  it('the API server (Go TLS) refuses a certificate for another Service that a stolen CA key has signed', async (t) => {
    const [service, name] = ['other', `other.${NAMESPACE}.svc`];
    const spec = { type: 'ExternalName', externalName: 'localhost' };
    await cluster.core.createNamespacedService({ namespace: NAMESPACE, body: { metadata: { name: service }, spec } });
    const message = await answer(service, await aLeaf(stolen, { name: `DNS:${name}` }), t);
    assert.match(message, /x509: .*not authorized to sign for this name.*not permitted by any constraint/);
  });

  it('the API server accepts a certificate for our Service that a stolen CA key has signed', async (t) => {
    // The API server accepts the certificate and sends its request, so the error does not mention the certificate.
    const message = await answer(SERVICE, await aLeaf(stolen, { name: `DNS:${SERVER_NAME}` }), t);
    assert.match(message, /status code 418/);
    assert.doesNotMatch(message, /x509/);
  });

  it('the API server refuses a client certificate that a stolen CA key has signed', async () => {
    const leaf = { name: 'DNS:anyone', subject: '/O=system:masters/CN=thief' };
    assert.equal(await statusFor(await aLeaf(clientCa, leaf)), 200);
    assert.equal(await statusFor(await aLeaf(stolen, leaf)), 401);
  });

  async function statusFor({ certificate, privateKey }: CertificatePair): Promise<number | undefined> {
    const { host, port, tls } = await readApiCredentials(cluster.kubeconfig);
    const options = { ...tls, host, port, cert: certificate, key: privateKey, path: '/api/v1/secrets', agent: false };
    const call = request(options).end();
    const [response] = await once(call, 'response');
    response.resume();
    return response.statusCode;
  }
});
