import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:https';
import { createConnection, type Socket } from 'node:net';
import { describe as suite, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { Pem } from '../../src/lib/pem.ts';
import { openServer } from '../../src/webhook/server.ts';
import { SERVER_NAME } from '../support/builders/a-certificate-set.ts';
import { aReview } from '../support/builders/a-review.ts';
import {
  connectTo,
  type Endpoint,
  endpointOptions,
  post,
  someCertificates,
  startEndpoint,
  startPost,
  type Target,
} from '../support/cluster/endpoint.ts';
import { eventually, promptly } from '../support/eventually.ts';

/**
 * Returns an HTTP agent that keeps one connection open, as the API server does. Create it before the endpoint, so that
 * it is closed before the endpoint is.
 */
function keepAlive(t: TestContext): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  return agent;
}

const isServed = async (target: Target): Promise<void> => assert.equal((await post(target, aReview())).status, 200);
const isNotTrusted = (target: Target): Promise<void> =>
  assert.rejects(post(target, aReview()), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
const isRefused = (target: Target): Promise<void> =>
  assert.rejects(async () => (await connectTo(target)).destroy(), { code: 'ECONNREFUSED' });

suite('connections to the endpoint', () => {
  test('the endpoint announces a keep-alive timeout over 90 s, the idle time of an API server, and serves two requests on one connection', async (t) => {
    const agent = keepAlive(t);
    const endpoint = await startEndpoint(t);
    const replies = [await endpoint.post(aReview(), { agent }), await endpoint.post(aReview(), { agent })];
    assert.deepEqual(
      replies.map((reply) => [reply.status, reply.isConnectionReused]),
      [
        [200, false],
        [200, true],
      ],
    );
    const [, seconds] = /^timeout=(\d+)$/.exec(String(replies[1]?.headers['keep-alive'])) ?? [];
    assert.ok(Number(seconds) > 90, `Keep-Alive: timeout=${seconds}`);
  });

  test('the endpoint refuses TLS below 1.2, even if Node.js and OpenSSL would accept it, also after a certificate swap', async (t) => {
    const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
    t.after(() => Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS }));
    Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'DEFAULT@SECLEVEL=0' });
    const { server, port, caBundle } = await startEndpoint(t);
    const handshake = async (maxVersion: tls.SecureVersion) => {
      const socket = tls.connect({ host: '127.0.0.1', port, ca: caBundle, servername: SERVER_NAME, maxVersion });
      await once(socket, 'secureConnect');
      socket.destroy();
      return socket.getProtocol();
    };
    for (const swap of [() => {}, async () => server.present((await someCertificates()).serving)]) {
      await swap();
      await assert.rejects(handshake('TLSv1.1'), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
      await handshake('TLSv1.2');
    }
  });
});

suite('presenting a new serving certificate', () => {
  test('the endpoint presents a new serving certificate to new connections at once, and open connections continue', async (t) => {
    const agent = keepAlive(t);
    const endpoint = await startEndpoint(t);
    const next = await someCertificates(2);
    const trustsNext = { port: endpoint.port, caBundle: next.caBundle };
    await endpoint.post(aReview(), { agent });
    await isNotTrusted(trustsNext);

    endpoint.server.present(next.serving);
    const { status, isConnectionReused } = await endpoint.post(aReview(), { agent });
    assert.deepEqual([status, isConnectionReused], [200, true]);
    await isServed(trustsNext);
  });

  test('a client that trusts only the old CA refuses the new serving certificate', async (t) => {
    const endpoint = await startEndpoint(t);
    await isServed(endpoint);
    endpoint.server.present((await someCertificates(2)).serving);
    await isNotTrusted(endpoint);
  });

  test('a client that verifies another name refuses the serving certificate', async (t) => {
    const { port, caBundle } = await startEndpoint(t);
    const socket = tls.connect({ host: '127.0.0.1', port, ca: caBundle, servername: 'kubernetes.default.svc' });
    await assert.rejects(once(socket, 'secureConnect'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  const bad: [name: string, privateKey: () => Promise<string>, error: RegExp][] = [
    [
      'with the key of another certificate',
      async () => (await someCertificates(2)).serving.privateKey,
      /key values mismatch/,
    ],
    ['with an unreadable key', async () => 'no key', /no start line|DECODER/],
  ];
  for (const [name, privateKey, error] of bad) {
    test(`presenting a serving certificate ${name} throws, and the endpoint keeps the old one`, async (t) => {
      const endpoint = await startEndpoint(t);
      const { certificate } = (await someCertificates()).serving;
      const pair = { certificate, privateKey: (await privateKey()) as Pem };
      assert.throws(() => endpoint.server.present(pair), {
        name: 'OperatorError',
        code: 'CERTIFICATE_ISSUE_FAILED',
        message: error,
      });
      await isServed(endpoint);
    });
  }
});

suite('closing the endpoint', () => {
  /** Sends the headers of a request and waits until the endpoint has read them. `finish` sends the body. */
  async function startHalfARequest(endpoint: Endpoint, agent: Agent) {
    const body = JSON.stringify(aReview());
    const { request, reply } = startPost(endpoint, {
      agent,
      headers: { 'Content-Type': 'application/json', 'Content-Length': String(body.length), Expect: '100-continue' },
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.write(body.slice(0, 100));
    return { finish: () => request.end(body.slice(100)), reply };
  }

  test('close() of the endpoint sends the pending responses, accepts no new connection, and resolves', async (t) => {
    const agent = keepAlive(t);
    const endpoint = await startEndpoint(t);
    const { finish, reply } = await startHalfARequest(endpoint, agent);
    const closed = promptly(endpoint.server.close());
    await eventually(() => isRefused(endpoint));
    finish();
    const { status, headers } = await reply;
    assert.deepEqual([status, headers.connection], [200, 'close']);
    await closed;
  });

  test('close() of the endpoint serves requests for the drain time and sends Connection: close in each response', async (t) => {
    const [agent, slowAgent] = [keepAlive(t), keepAlive(t)];
    const endpoint = await startEndpoint(t, { drainMs: 1_000 });
    await endpoint.post(aReview(), { agent });
    const { finish, reply } = await startHalfARequest(endpoint, slowAgent);
    const start = performance.now();
    const closed = endpoint.server.close();
    const onTheOpenConnection = await endpoint.post(aReview(), { agent });
    const onANewOne = await endpoint.post(aReview(), { agent });
    finish();
    const answers = [onTheOpenConnection, onANewOne, await reply];
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.connection]),
      Array(3).fill([200, 'close']),
    );
    assert.deepEqual(
      answers.map(({ isConnectionReused }) => isConnectionReused),
      [true, false, false],
    );
    await closed;
    assert.ok(performance.now() - start >= 990);
    await isRefused(endpoint);
  });

  test('close() of the endpoint serves a request that arrives in time but is read after the drain time, because the process was busy', async (t) => {
    const endpoint = await startEndpoint(t, { drainMs: 20 });
    const socket = await connectTo(endpoint);
    t.after(() => socket.destroy());
    const call = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    socket.write(call);
    await once(socket, 'data');
    const closed = endpoint.server.close();
    socket.write(call);
    const busyUntil = performance.now() + 100;
    while (performance.now() < busyUntil);
    const [answer] = await promptly(once(socket, 'data'));
    assert.match(String(answer), /^HTTP\/1.1 404 .*\r\nConnection: close\r\n/s);
    await closed;
  });

  const idle: [name: string, connect: (target: Target) => Promise<Socket>][] = [
    [
      'keeps its connection open after a response',
      async (target) => {
        const socket = await connectTo(target);
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(socket, 'data');
        return socket;
      },
    ],
    ['has sent no request after the TLS handshake', connectTo],
    [
      'has not started the TLS handshake',
      async ({ port }) => {
        const socket = createConnection(port, '127.0.0.1');
        await once(socket, 'connect');
        return socket;
      },
    ],
  ];
  for (const [name, connect] of idle) {
    test(`close() of the endpoint does not wait for a client that ${name}`, async (t) => {
      const endpoint = await startEndpoint(t);
      const socket = await connect(endpoint);
      socket.on('error', () => {}); // the endpoint is expected to reset this connection
      // Connections are accepted in order, so the idle connection was accepted before this one.
      await isServed(endpoint);
      await promptly(endpoint.server.close()).finally(() => socket.destroy());
    });
  }
});

suite('listening of the endpoint', () => {
  const open = (port: number, address: string | undefined, drainMs = 0) =>
    openServer(
      (_request, response) => void response.end(),
      { ...endpointOptions({ drainMs }), port, address },
      { clientCa: undefined, refused: () => {} },
    );

  test('the endpoint listens before it has a certificate, and no TLS handshake succeeds until then', async (t) => {
    const { serving, caBundle } = await someCertificates();
    const server = await open(0, '127.0.0.1');
    t.after(() => server.close());
    const target = { port: server.port, caBundle };
    await assert.rejects(connectTo(target), { code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' });
    server.present(serving);
    (await connectTo(target)).destroy();
  });

  test('close() of the endpoint resolves at once if it never had a certificate', async () => {
    const server = await open(0, '127.0.0.1', 3_600_000);
    await promptly(server.close());
  });

  test('if its port is in use, the endpoint does not start, and the error names the address, --webhook-bind-port and --webhook-bind-address', async (t) => {
    const { port } = await startEndpoint(t);
    const flags = '\\(--webhook-bind-port, --webhook-bind-address\\)';
    await assert.rejects(open(port, '127.0.0.1'), {
      name: 'OperatorError',
      code: 'SERVER_LISTEN_FAILED',
      message: new RegExp(`^cannot listen ${flags}: .*EADDRINUSE.* 127\\.0\\.0\\.1:${port}$`),
    });
    await assert.rejects(open(port, undefined), {
      message: new RegExp(`^cannot listen ${flags}: .*EADDRINUSE.* :::${port}$`),
    });
  });

  test('the endpoint does not start if --webhook-bind-address is not an address of this host', async () => {
    // Addresses that RFC 5737 and RFC 3849 reserve for documentation, so that no host has them.
    await assert.rejects(open(0, '192.0.2.1'), { code: 'SERVER_LISTEN_FAILED', message: /EADDRNOTAVAIL/ });
    await assert.rejects(open(443, '2001:db8::1'), { message: /^cannot listen .* 2001:db8::1:443$/ });
  });
});
