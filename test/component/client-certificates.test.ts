import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:https';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { describe as suite, type TestContext, test } from 'node:test';
import { probeEndpoint } from '../../src/commands/inspect/probe-endpoint.ts';
import type { Pem } from '../../src/lib/pem.ts';
import { SERVER_NAME } from '../support/builders/a-certificate-set.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { aReview } from '../support/builders/a-review.ts';
import { type ClientCertificate, clientAuthority } from '../support/builders/client-certificates.ts';
import {
  type Endpoint,
  type EndpointFields,
  post,
  someCertificates,
  startEndpoint,
} from '../support/cluster/endpoint.ts';
import { openssl } from '../support/cluster/openssl.ts';
import { eventually } from '../support/eventually.ts';

/** Starts an endpoint that requires client certificates of `authority`. The CA `other` is not trusted. */
async function start(t: TestContext, fields: EndpointFields = {}) {
  const folder = await aFolder(t, {});
  const [authority, other] = [await clientAuthority(folder), await clientAuthority(folder, 'others')];
  const endpoint = await startEndpoint(t, { clientCa: authority.ca, ...fields });
  return { authority, other, endpoint };
}

/** Returns an HTTP agent that reuses one connection and presents the client certificate, if there is one. */
function agentWith(t: TestContext, client?: ClientCertificate): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...(client && { cert: client.cert, key: client.key }) });
  t.after(() => agent.destroy());
  return agent;
}

const isServed = async (endpoint: Endpoint, agent: Agent): Promise<void> =>
  assert.equal((await post(endpoint, aReview(), { agent })).status, 200);
/**
 * Asserts that the endpoint refuses the client. In TLS 1.3 the client gets the error only after its own part of the
 * handshake.
 */
const isRefused = (endpoint: Endpoint, agent: Agent): Promise<void> =>
  assert.rejects(post(endpoint, aReview(), { agent }), (error: NodeJS.ErrnoException) =>
    /^(ECONNRESET|EPIPE|ERR_SSL_.*ALERT.*)$/.test(error.code ?? ''),
  );

suite('the endpoint with --client-ca-file', () => {
  test('with --client-ca-file the endpoint serves a client whose certificate the CA has signed', async (t) => {
    const { authority, endpoint } = await start(t);
    await isServed(endpoint, agentWith(t, await authority.issue('kube-apiserver')));
    assert.deepEqual(endpoint.refusals, []);
  });

  test('with --client-ca-file the endpoint refuses each client without a client certificate of this CA, and reports the reason', async (t) => {
    const { authority, other, endpoint } = await start(t);
    const rows: [client: ClientCertificate | undefined, error: RegExp][] = [
      [undefined, /peer did not return a certificate/],
      [await other.issue('kube-apiserver'), /certificate verify failed|unable to get|UNABLE_TO/i],
      [await authority.issue('kube-apiserver', 'extendedKeyUsage=serverAuth'), /verify failed|purpose/i],
    ];
    for (const [index, [client, error]] of rows.entries()) {
      await isRefused(endpoint, agentWith(t, client));
      await eventually(() => assert.equal(endpoint.refusals.length, index + 1));
      assert.equal(endpoint.refusals[index]?.reason, 'client-refused');
      assert.match(endpoint.refusals[index]?.error ?? '', error);
    }
    assert.deepEqual(endpoint.outcomes, []);
    await isServed(endpoint, agentWith(t, await authority.issue('kube-apiserver')));
  });

  test('the endpoint refuses a client certificate with an unsupported key type and logs it', async (t) => {
    const { endpoint } = await start(t);
    const folder = await aFolder(t);
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const made = await openssl([
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1', '-nodes', '-days', '1'],
      ...['-subj', '/CN=kube-apiserver', '-keyout', key, '-out', certificate],
    ]);
    assert.ok(made.isOk, made.output);
    const call = ['s_client', '-tls1_2', '-connect', `127.0.0.1:${endpoint.port}`, '-cert', certificate, '-key', key];
    assert.equal((await openssl(call)).isOk, false);
    await eventually(() => assert.match(endpoint.refusals[0]?.error ?? '', /wrong curve/));
  });

  test('a TLS handshake that fails for another reason than the client certificate is not logged as client-refused', async (t) => {
    const { authority, other, endpoint } = await start(t);
    const known = await authority.issue('kube-apiserver');
    const distrusting = { ...endpoint, caBundle: other.ca };
    await assert.rejects(post(distrusting, aReview(), { agent: agentWith(t, known) }), /unable to verify|self-signed/);
    const scan = createConnection(endpoint.port, '127.0.0.1', () => scan.end());
    await once(scan.resume(), 'close');
    const old = ['s_client', '-tls1_1', '-connect', `127.0.0.1:${endpoint.port}`, '-cipher', 'ALL:@SECLEVEL=0'];
    assert.equal((await openssl(old)).isOk, false);
    // The endpoint records refusals in order. After it has recorded this refusal, all earlier ones are recorded too.
    await isRefused(endpoint, agentWith(t, undefined));
    await eventually(() => assert.equal(endpoint.refusals.length, 1));
    assert.match(endpoint.refusals[0]?.error ?? '', /peer did not return a certificate/);
  });

  test('with --client-name the endpoint serves only client certificates with one of these common names', async (t) => {
    const { authority, endpoint } = await start(t, { clientNames: ['kube-apiserver', 'front-proxy'] });
    await isServed(endpoint, agentWith(t, await authority.issue('front-proxy')));
    await isRefused(endpoint, agentWith(t, await authority.issue('system:node:a')));
    assert.deepEqual(endpoint.outcomes, ['patched']);
    const error = 'CN: invalid value "system:node:a": must be one of kube-apiserver, front-proxy';
    assert.deepEqual(endpoint.refusals, [{ reason: 'client-refused', error }]);
  });

  test('with --client-ca-file and TLS 1.2, the endpoint refuses openssl s_client without a client certificate', async (t) => {
    const { authority, endpoint } = await start(t);
    const { certFile, keyFile } = await authority.issue('kube-apiserver');
    const call = ['s_client', '-tls1_2', '-connect', `127.0.0.1:${endpoint.port}`, '-servername', SERVER_NAME];
    assert.match((await openssl(call)).output, /alert (handshake failure|certificate required|bad certificate)/);
    const { isOk, output } = await openssl([...call, '-cert', certFile, '-key', keyFile]);
    assert.ok(isOk, output);
    assert.match(output, /Acceptable client certificate CA names\n.*CN = clients/);
  });

  test('a new client CA applies to new connections at once, and to an open connection after its next response', async (t) => {
    const { authority, other, endpoint } = await start(t);
    const [old, next] = [agentWith(t, await authority.issue('a')), agentWith(t, await other.issue('b'))];
    await isServed(endpoint, old);
    await isRefused(endpoint, next);
    endpoint.server.trustClients(other.ca);
    await isServed(endpoint, next);
    const { headers } = await post(endpoint, aReview(), { agent: old });
    assert.equal(headers.connection, 'close');
    await isRefused(endpoint, old);
    const { serving, caBundle } = await someCertificates(2);
    endpoint.server.present(serving);
    const swapped = { ...endpoint, caBundle };
    await isRefused(swapped, agentWith(t, await authority.issue('a')));
    await isServed(swapped, agentWith(t, await other.issue('b')));
  });

  test('if the endpoint requires client certificates, inspect shows the serving certificate with TLS 1.3, and with TLS 1.2 reports why it cannot', async (t) => {
    const { endpoint } = await start(t);
    const address = { host: '127.0.0.1', port: endpoint.port };
    const { caBundle, serving } = await someCertificates();
    const dialled = await probeEndpoint(address, SERVER_NAME, caBundle);
    assert.deepEqual(dialled, {
      outcome: 'answered',
      address: `127.0.0.1:${endpoint.port}`,
      certificate: serving.certificate.replaceAll('\r', ''),
      why: undefined,
    });
    const { endpoint: old } = await start(t, { tls: { cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'] } });
    const failed = await probeEndpoint({ host: '127.0.0.1', port: old.port }, SERVER_NAME, caBundle as Pem);
    assert.equal(failed.outcome, 'failed');
    assert.match(
      failed.outcome === 'failed' ? failed.why : '',
      /the endpoint may require a client certificate, which this command does not have/,
    );
  });
});
