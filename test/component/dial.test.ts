import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { dial, resolves } from '../../src/dial.ts';
import type { Pem } from '../../src/encodings.ts';
import { aCertificateSet, SERVER_NAME } from '../support/a-certificate-set.ts';
import { someCertificates, startEndpoint } from '../support/endpoint.ts';

const other = await someCertificates(2);

describe('a call of the endpoint', () => {
  test('answers what it presents, verified with the bundle and for the name', async (t) => {
    const { port, caBundle } = await startEndpoint(t);
    const dialled = await dial({ host: '127.0.0.1', port }, SERVER_NAME, caBundle as Pem);
    assert.ok(dialled.outcome === 'answered');
    assert.deepEqual([dialled.address, dialled.problem], [`127.0.0.1:${port}`, undefined]);
    const { serving } = await someCertificates();
    const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256;
    assert.equal(fingerprint(dialled.certificate), fingerprint(serving.certificate));
  });

  const refused: Readonly<Record<string, readonly [string, (own: string) => string, RegExp]>> = {
    'another name': ['other.vela-system.svc', (own) => own, /ERR_TLS_CERT_ALTNAME_INVALID|does not match/],
    'an address that it is not for': ['10.0.0.1', (own) => own, /ERR_TLS_CERT_ALTNAME_INVALID|does not match/],
    'another authority': [SERVER_NAME, () => other.caBundle, /unable to|signature|issuer/],
    'an empty bundle': [SERVER_NAME, () => '', /unable to get/],
    'a bundle of junk': [SERVER_NAME, () => 'junk', /unable to get/],
  };
  for (const [what, [name, bundle, problem]] of Object.entries(refused)) {
    test(`answers what it presents, and that it is not verified, with ${what}`, async (t) => {
      const { port, caBundle } = await startEndpoint(t);
      const dialled = await dial({ host: '127.0.0.1', port }, name, bundle(caBundle) as Pem);
      assert.ok(dialled.outcome === 'answered');
      assert.match(dialled.problem ?? '', problem);
      assert.match(dialled.certificate, /BEGIN CERTIFICATE/);
    });
  }

  test('verifies for an address, wherever it is called', async (t) => {
    const names = { dns: [], ip: ['10.0.0.1'] };
    const { serving, caBundle } = await aCertificateSet({ issuedAt: new Date(), options: { names } });
    const port = await listening(t, createTlsServer({ cert: serving.certificate, key: serving.privateKey }));
    const dialled = await dial({ host: '127.0.0.1', port }, '10.0.0.1', caBundle);
    assert.deepEqual('problem' in dialled ? dialled.problem : dialled.outcome, undefined);
  });

  test('trusts what is itself in the bundle, as Go does', async (t) => {
    const { port } = await startEndpoint(t);
    const { serving } = await someCertificates();
    const dialled = await dial({ host: '127.0.0.1', port }, SERVER_NAME, serving.certificate);
    assert.deepEqual([dialled.outcome, 'problem' in dialled && dialled.problem], ['answered', undefined]);
  });

  test('fails where nobody listens, and where somebody speaks something else', async (t) => {
    const closed = await dial({ host: '127.0.0.1', port: 1 }, SERVER_NAME, '' as Pem);
    assert.equal(closed.outcome, 'failed');
    assert.match('problem' in closed ? (closed.problem ?? '') : '', /ECONNREFUSED/);
    const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const port = await listening(t, server);
    assert.equal((await dial({ host: '127.0.0.1', port }, SERVER_NAME, '' as Pem)).outcome, 'failed');
  });

  test('shows an IPv6 address in brackets', async () => {
    const dialled = await dial({ host: '::1', port: 1 }, SERVER_NAME, '' as Pem);
    assert.equal('address' in dialled && dialled.address, '[::1]:1');
  });
});

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('addresses lead somewhere, and names of no zone do not', async () => {
  assert.deepEqual([await resolves('127.0.0.1'), await resolves('no-such-host.invalid')], [true, false]);
});
