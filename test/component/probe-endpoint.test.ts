import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { probeEndpoint, resolutionProblem } from '../../src/commands/inspect/probe-endpoint.ts';
import type { Pem } from '../../src/lib/pem.ts';
import { aCertificateSet, SERVER_NAME } from '../support/builders/a-certificate-set.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { someCertificates, startEndpoint } from '../support/cluster/endpoint.ts';

const other = await someCertificates(2);
const run = promisify(execFile);
const DIAL = new URL('../../src/commands/inspect/probe-endpoint.ts', import.meta.url).href;
const NAMESPACES = ['--map-root-user', '--mount', '--net'];
const noNamespaces =
  spawnSync('unshare', [...NAMESPACES, 'ip', 'link', 'set', 'lo', 'up']).status !== 0 &&
  'needs unshare (util-linux), ip (iproute2) and leave to make namespaces; CI has them';

describe('the probe of the endpoint by inspect', () => {
  test('probeEndpoint returns the certificate of the endpoint, and no problem if the CA bundle and the server name fit', async (t) => {
    const { port, caBundle } = await startEndpoint(t);
    const dialled = await probeEndpoint({ host: '127.0.0.1', port }, SERVER_NAME, caBundle as Pem);
    assert.ok(dialled.outcome === 'answered');
    assert.deepEqual([dialled.address, dialled.why], [`127.0.0.1:${port}`, undefined]);
    const { serving } = await someCertificates();
    const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256;
    assert.equal(fingerprint(dialled.certificate), fingerprint(serving.certificate));
  });

  const refused: Readonly<Record<string, readonly [string, (own: string) => string, RegExp]>> = {
    'a name that is not in the certificate': [
      'other.vela-system.svc',
      (own) => own,
      /ERR_TLS_CERT_ALTNAME_INVALID|does not match/,
    ],
    'an address that is not in the certificate': [
      '10.0.0.1',
      (own) => own,
      /ERR_TLS_CERT_ALTNAME_INVALID|does not match/,
    ],
    'the bundle of another CA': [SERVER_NAME, () => other.caBundle, /unable to|signature|issuer/],
    'an empty bundle': [SERVER_NAME, () => '', /unable to get/],
    'an unparsable bundle': [SERVER_NAME, () => 'junk', /unable to get/],
  };
  for (const [what, [name, bundle, problem]] of Object.entries(refused)) {
    test(`probeEndpoint returns the certificate of the endpoint, and the reason why it does not fit ${what}`, async (t) => {
      const { port, caBundle } = await startEndpoint(t);
      const dialled = await probeEndpoint({ host: '127.0.0.1', port }, name, bundle(caBundle) as Pem);
      assert.ok(dialled.outcome === 'answered');
      assert.match(dialled.why ?? '', problem);
      assert.match(dialled.certificate, /BEGIN CERTIFICATE/);
    });
  }

  test('a probe of the endpoint verifies the certificate for an IP address', async (t) => {
    const names = { dns: [], ip: ['10.0.0.1'] };
    const { serving, caBundle } = await aCertificateSet({ issuedAt: new Date(), options: { names } });
    const port = await listening(t, createTlsServer({ cert: serving.certificate, key: serving.privateKey }));
    const dialled = await probeEndpoint({ host: '127.0.0.1', port }, '10.0.0.1', caBundle);
    assert.deepEqual([dialled.outcome, dialled.why], ['answered', undefined]);
  });

  test('probeEndpoint trusts a serving certificate that is itself in the CA bundle, as Go does', async (t) => {
    const { port } = await startEndpoint(t);
    const { serving } = await someCertificates();
    const dialled = await probeEndpoint({ host: '127.0.0.1', port }, SERVER_NAME, serving.certificate);
    assert.deepEqual([dialled.outcome, dialled.why], ['answered', undefined]);
  });

  test('a probe of the endpoint fails if no process listens or the protocol is not TLS', async (t) => {
    const closed = await probeEndpoint({ host: '127.0.0.1', port: 1 }, SERVER_NAME, '' as Pem);
    assert.equal(closed.outcome, 'failed');
    assert.match(closed.why ?? '', /ECONNREFUSED/);
    const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const port = await listening(t, server);
    assert.equal((await probeEndpoint({ host: '127.0.0.1', port }, SERVER_NAME, '' as Pem)).outcome, 'failed');
  });

  test('probeEndpoint returns the called IPv6 address in the form [address]:port', async () => {
    const dialled = await probeEndpoint({ host: '::1', port: 1 }, SERVER_NAME, '' as Pem);
    assert.equal('address' in dialled && dialled.address, '[::1]:1');
  });
});

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('the DNS lookup by inspect', () => {
  test('resolutionProblem reports a name that does not exist in DNS, and accepts an IP address without a lookup', async () => {
    assert.equal(await resolutionProblem('127.0.0.1'), undefined);
    assert.equal(await resolutionProblem('localhost'), undefined);
    // The name server of this machine can be slow.
    const problem = /^(does not resolve from here|was not resolved within 2 s)$/;
    assert.match((await resolutionProblem('no-such-host.invalid')) ?? '', problem);
    // resolutionProblem receives the Service name in the registration, which can be any text.
    assert.match((await resolutionProblem('--version')) ?? '', problem);
  });

  test('resolutionProblem does not wait for a name server that never responds', {
    skip: noNamespaces,
  }, async (t) => {
    // Runs a name server that never responds in a separate network namespace. The process exits when the resolver
    // gives up, after 5 s.
    const script = `
      const { createSocket } = await import('node:dgram');
      await new Promise((resolve) => createSocket('udp4').bind(53, '127.0.0.2', resolve));
      const { resolutionProblem } = await import(${JSON.stringify(DIAL)});
      process.stdout.write(await resolutionProblem(${JSON.stringify(SERVER_NAME)}), () => process.exit(0));`;
    const folder = await aFolder(t, {
      'resolv.conf': 'nameserver 127.0.0.2\noptions timeout:5 attempts:1\n',
      'inside.mjs': script,
    });
    const setUp = 'mount --bind "$1/resolv.conf" /etc/resolv.conf && ip link set lo up && exec "$2" "$1/inside.mjs"';
    const { stdout } = await run('unshare', [...NAMESPACES, 'sh', '-ec', setUp, 'sh', folder, process.execPath]);
    assert.equal(stdout, 'was not resolved within 2 s');
  });
});
