import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createConnection } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { answerClientErrors } from '../../src/webhook/client-errors.ts';
import { connectTo, someCertificates } from '../support/cluster/endpoint.ts';
import { promptly } from '../support/eventually.ts';

const HEADERS_MS = 300;
const IDLE_MS = 600;

/** A server with short times, which says what it has answered already. */
async function startServer(t: TestContext, { isAnswering = false, answerBytes = 2, idleMs = IDLE_MS } = {}) {
  const { serving, caBundle } = await someCertificates();
  const server = createServer(
    {
      cert: serving.certificate,
      key: serving.privateKey,
      headersTimeout: HEADERS_MS,
      connectionsCheckingInterval: 20,
      maxHeaderSize: 1_024,
    },
    (_, response) => response.end('x'.repeat(answerBytes)),
  );
  const answering = isAnswering ? [{ headersSent: true } as ServerResponse] : [];
  server.timeout = idleMs;
  answerClientErrors(server, () => answering);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close().closeAllConnections());
  return { server, port: (server.address() as AddressInfo).port, caBundle };
}

/** What it was sent until it was closed, and after how many ms that was. */
async function talk(target: { port: number; caBundle: string }, text?: string) {
  const socket = await connectTo(target);
  const start = performance.now();
  let answer = '';
  socket.setEncoding('utf8').on('data', (part) => (answer += part));
  if (text !== undefined) socket.write(text);
  await promptly(once(socket, 'close'));
  return { answer, ms: performance.now() - start };
}

describe('who sends no HTTP', () => {
  for (const [name, text, status] of [
    ['half of a head gets 408', 'GET / HTTP/1.1\r\nHo', '408 Request Timeout'],
    ['blank lines alone get 408', '\r\n\r\n', '408 Request Timeout'],
    ['something else gets 400', 'hello\r\n\r\n', '400 Bad Request'],
    [
      'too long a head gets 431',
      `GET / HTTP/1.1\r\nA: ${'a'.repeat(2_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
    ],
  ] as const) {
    it(`${name}, and the connection ends`, async (t) => {
      const { answer } = await talk(await startServer(t), text);
      assert.equal(answer, `HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    });
  }

  it('gets nothing where an answer is being written, and the connection ends', async (t) => {
    const { answer } = await talk(await startServer(t, { isAnswering: true }), 'hello\r\n\r\n');
    assert.equal(answer, '');
  });
});

describe('who does not read', () => {
  it('is cut off with what it was not sent yet', async (t) => {
    const target = await startServer(t, { answerBytes: 64 * 1024 * 1024, idleMs: 60_000 });
    const gone = new Promise((resolve) => target.server.once('secureConnection', (one) => one.once('close', resolve)));
    const socket = (await connectTo(target)).on('error', () => {}).pause();
    t.after(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo');
    await promptly(gone);
  });
});

describe('who does not get as far as HTTP', () => {
  it('gets an end at once', async (t) => {
    const { port } = await startServer(t);
    const socket = createConnection(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n')).resume();
    await promptly(once(socket, 'close'));
    assert.ok(socket.bytesRead < 100, 'an alert at the most');
  });
});

describe('who has sent nothing yet', () => {
  it('may wait for its first request as long as for the next one', async (t) => {
    const { answer, ms } = await talk(await startServer(t));
    assert.equal(answer, '');
    assert.ok(ms >= IDLE_MS - 50, `${ms} ms`);
  });
});
