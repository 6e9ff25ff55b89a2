import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectPlainly } from 'node:net';
import { describe as suite, test } from 'node:test';
import tls from 'node:tls';
import { cipherSuiteNames, parseCipherSuites } from '../../src/webhook/cipher-suites.ts';
import { SERVER_NAME } from '../support/builders/a-certificate-set.ts';
import { aReview } from '../support/builders/a-review.ts';
import { type Endpoint, patchOf, startEndpoint, type Target } from '../support/cluster/endpoint.ts';
import { openssl } from '../support/cluster/openssl.ts';
import { eventually } from '../support/eventually.ts';

/** Runs `openssl s_client` and returns its output. Without typed input its stdin is closed at once. */
const sClient = ({ port }: Target, flags: readonly string[], typed = '') =>
  openssl(['s_client', '-connect', `127.0.0.1:${port}`, '-servername', SERVER_NAME, ...flags], typed);

async function assertServes(endpoint: Endpoint): Promise<void> {
  assert.equal(patchOf(await endpoint.post(aReview())).length, 3);
}

suite('the endpoint with openssl s_client', () => {
  // Lowers the security level of openssl, so that it offers the ciphers that the endpoint must refuse.
  const weak = ['-cipher', 'ALL:@SECLEVEL=0'];
  const refused: [what: string, flags: readonly string[]][] = [
    ['TLS 1.0', ['-tls1', ...weak]],
    ['TLS 1.1', ['-tls1_1', ...weak]],
    [
      'a CBC suite in TLS 1.2',
      ['-tls1_2', '-cipher', 'ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES128-SHA'],
    ],
    ['a suite without ephemeral key exchange', ['-tls1_2', '-cipher', 'AES128-GCM-SHA256:AES256-GCM-SHA384']],
    ['a suite without authentication', ['-tls1_2', '-cipher', 'ADH-AES128-GCM-SHA256:@SECLEVEL=0']],
    ['a CCM_8 suite in TLS 1.3', ['-tls1_3', '-ciphersuites', 'TLS_AES_128_CCM_8_SHA256']],
  ];
  for (const [what, flags] of refused) {
    test(`the endpoint refuses openssl s_client with ${what} by a TLS alert`, async (t) => {
      const endpoint = await startEndpoint(t);
      const { isOk, output } = await sClient(endpoint, flags);
      assert.equal(isOk, false);
      assert.match(output, /alert (protocol version|handshake failure)/);
      await assertServes(endpoint);
    });
  }

  for (const flags of [['-tls1_2'], ['-tls1_3']]) {
    test(`the endpoint serves openssl s_client with ${flags}, and uses AEAD and an ephemeral key exchange`, async (t) => {
      const endpoint = await startEndpoint(t);
      const { isOk, output } = await sClient(endpoint, flags);
      assert.ok(isOk, output);
      assert.match(output, /Cipher is (ECDHE-RSA-AES128-GCM-SHA256|TLS_AES_128_GCM_SHA256)/);
    });
  }

  test('the endpoint refuses a TLS renegotiation by openssl s_client', async (t) => {
    const endpoint = await startEndpoint(t);
    // A line with only the letter R makes s_client request a renegotiation.
    const { output } = await sClient(endpoint, ['-tls1_2'], 'R\n');
    assert.match(output, /RENEGOTIATING/);
    assert.match(output, /no renegotiation|alert|error/);
    await assertServes(endpoint);
  });

  test('the endpoint presents its certificate also to a client with another server name or none', async (t) => {
    const endpoint = await startEndpoint(t);
    for (const name of [['-servername', 'kubernetes.default.svc'], ['-noservername']]) {
      const { isOk, output } = await openssl(['s_client', '-connect', `127.0.0.1:${endpoint.port}`, ...name]);
      assert.ok(isOk, output);
      assert.match(output, /subject=.*CN = admission/);
    }
  });
});

suite('the TLS options of the endpoint', () => {
  const handshake = async (target: Target, options: tls.ConnectionOptions) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: target.port,
      ca: target.caBundle,
      servername: SERVER_NAME,
      ...options,
    });
    await once(socket, 'secureConnect');
    const found = { version: socket.getProtocol(), suite: socket.getCipher().name };
    socket.destroy();
    return found;
  };

  test('with --tls-min-version=TLSv1.3 the endpoint refuses TLS 1.2, also after a certificate swap', async (t) => {
    const endpoint = await startEndpoint(t, { tls: { minVersion: 'TLSv1.3' } });
    await assert.rejects(handshake(endpoint, { maxVersion: 'TLSv1.2' }), {
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
    assert.equal((await handshake(endpoint, {})).version, 'TLSv1.3');
  });

  test('the endpoint offers only the suites of --tls-cipher-suites and prefers the first', async (t) => {
    const cipherSuites = ['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-GCM-SHA256'];
    const endpoint = await startEndpoint(t, { tls: { cipherSuites } });
    const ciphers = cipherSuites.toReversed().join(':');
    assert.deepEqual(await handshake(endpoint, { ciphers }), { version: 'TLSv1.2', suite: cipherSuites[0] });
    const other = { ciphers: 'ECDHE-RSA-CHACHA20-POLY1305', maxVersion: 'TLSv1.2' } as const;
    await assert.rejects(handshake(endpoint, other), { code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' });
  });

  test('the endpoint works with each supported cipher suite as the only one', () => {
    const names = parseCipherSuites(cipherSuiteNames.join()) ?? [];
    assert.equal(names.length, cipherSuiteNames.length);
    for (const name of names) assert.ok(tls.getCiphers().includes(name.toLowerCase()), name);
  });

  test('the endpoint does not respond to plain HTTP, and serves TLS clients afterwards', async (t) => {
    const endpoint = await startEndpoint(t);
    const call = request({ host: '127.0.0.1', port: endpoint.port, method: 'POST' });
    call.end('{}');
    await assert.rejects(once(call, 'response'), { code: 'ECONNRESET' });
    await assertServes(endpoint);
  });

  test('the endpoint closes a connection with bytes that are neither TLS nor HTTP', async (t) => {
    const endpoint = await startEndpoint(t);
    const socket = connectPlainly(endpoint.port, '127.0.0.1').on('error', () => {});
    socket.write('\0'.repeat(10_000));
    socket.resume();
    await eventually(() => assert.ok(socket.closed));
    await assertServes(endpoint);
  });
});
