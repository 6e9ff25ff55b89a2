import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:https';
import { createConnection, type Socket } from 'node:net';
import { describe as suite, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { aReview } from '../support/builders/a-review.ts';
import { connectTo, type Endpoint, patchOf, post, startEndpoint, type Target } from '../support/cluster/endpoint.ts';
import { eventually } from '../support/eventually.ts';

/** Returns an HTTP agent with one connection, which stays open between requests. */
function keepAlive(t: TestContext): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  return agent;
}

/** Opens connections that send no request. Errors are ignored, because the endpoint is expected to close them. */
async function idle(t: TestContext, target: Target, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let made = 0; made < count; made += 1) {
    const socket = await connectTo(target);
    socket.on('error', () => {}).resume();
    t.after(() => socket.destroy());
    sockets.push(socket);
  }
  return sockets;
}

const isReused = async (endpoint: Endpoint, agent: Agent): Promise<boolean> => {
  const reply = await post(endpoint, aReview(), { agent });
  assert.equal(reply.status, 200);
  return reply.isConnectionReused;
};

suite('an endpoint with more connections than --max-connections', () => {
  test('over --max-connections the endpoint closes the longest-idle connections that have sent no request, and keeps a connection that has sent one', async (t) => {
    const agent = keepAlive(t);
    const endpoint = await startEndpoint(t, { maxConnections: 10 });
    await isReused(endpoint, agent);
    const first = await idle(t, endpoint, 9);
    const second = await idle(t, endpoint, 5);
    await eventually(() =>
      assert.deepEqual(
        first.map(({ closed }) => closed),
        [...Array(5).fill(true), ...Array(4).fill(false)],
      ),
    );
    assert.ok(second.every(({ closed }) => !closed));
    assert.equal(await isReused(endpoint, agent), true);
    assert.deepEqual(
      endpoint.refusals,
      Array(5).fill({ reason: 'too-many-connections', error: 'more than 10 connections' }),
    );
  });

  test('beyond --max-connections, if all connections have sent requests, the endpoint closes the longest-idle one', async (t) => {
    const agents = Array.from({ length: 12 }, () => keepAlive(t));
    const endpoint = await startEndpoint(t, { maxConnections: 10 });
    for (const agent of agents) await isReused(endpoint, agent);
    assert.equal(endpoint.refusals.length, 2);
    assert.equal(await isReused(endpoint, agents[11] as Agent), true);
    assert.equal(await isReused(endpoint, agents[0] as Agent), false);
  });

  test('beyond --max-connections, connections without TLS or with an incomplete first request are closed before idle ones that sent a request', async (t) => {
    const agent = keepAlive(t);
    const endpoint = await startEndpoint(t, { maxConnections: 10 });
    await isReused(endpoint, agent);
    const halves = await idle(t, endpoint, 5);
    for (const socket of halves)
      socket.write('POST /modify-terraform-job HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{');
    for (let made = 0; made < 30; made += 1) {
      const socket = createConnection(endpoint.port, '127.0.0.1').on('error', () => {});
      t.after(() => socket.destroy());
      await once(socket, 'connect');
    }
    await eventually(() => assert.ok(endpoint.refusals.length >= 20));
    await idle(t, endpoint, 10);
    await eventually(() => assert.ok(halves.every(({ closed }) => closed)));
    assert.equal(await isReused(endpoint, agent), true);
  });

  test('during a flood of connections, the endpoint serves clients on open and on new connections', async (t) => {
    const agent = keepAlive(t);
    const endpoint = await startEndpoint(t, { maxConnections: 100 });
    await isReused(endpoint, agent);
    let hasEnded = false;
    const flood = async () => {
      const sockets: Socket[] = [];
      for (let made = 0; made < 3_000; made += 1) {
        const socket = createConnection(endpoint.port, '127.0.0.1').on('error', () => {});
        sockets.push(socket);
        await once(socket, 'connect');
      }
      hasEnded = true;
      for (const socket of sockets) socket.destroy();
    };
    const flooding = flood();
    let served = 0;
    while (!hasEnded) {
      assert.equal(await isReused(endpoint, agent), true);
      assert.equal(patchOf(await endpoint.post(aReview())).length, 3);
      served += 1;
    }
    await flooding;
    assert.ok(served > 0);
    assert.ok(endpoint.refusals.length >= 2_000);
  });
});

suite('a slow client of the endpoint', { concurrency: true }, () => {
  /** Resolves when the server closes the connection, with the time in ms since `start` and the bytes received. */
  async function closedAfter(start: number, socket: Socket): Promise<{ ms: number; answer: string }> {
    let answer = '';
    socket.on('error', () => {}).on('data', (bytes) => (answer += bytes));
    await new Promise((resolve) => socket.once('close', resolve));
    return { ms: performance.now() - start, answer };
  }
  test('the endpoint closes a connection without a TLS handshake after 10 s', async (t) => {
    const endpoint = await startEndpoint(t);
    const { ms } = await closedAfter(performance.now(), createConnection(endpoint.port, '127.0.0.1'));
    assert.ok(ms >= 9_000, `${Math.round(ms)} ms`);
    assert.equal(patchOf(await endpoint.post(aReview())).length, 3);
  });

  test('the endpoint responds 408 to a request that is incomplete after the idle time, even if the client keeps sending single bytes', async (t) => {
    const endpoint = await startEndpoint(t, { idleMs: 2_000 });
    const head = 'POST /modify-terraform-job HTTP/1.1\r\nHost: x\r\n';
    const starts = ['\r\n\r\n', head, `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n`];
    for (const text of starts) {
      const start = performance.now();
      const socket = await connectTo(endpoint);
      const trickle = setInterval(() => socket.write(text === head ? 'X-A: b\r\n' : '\r\n'), 200);
      socket.once('close', () => clearInterval(trickle));
      socket.write(text);
      const { ms, answer } = await closedAfter(start, socket);
      assert.ok(ms >= 1_500, `${Math.round(ms)} ms`);
      assert.match(answer, /^HTTP\/1\.1 408 /);
    }
    assert.equal(patchOf(await endpoint.post(aReview())).length, 3);
  });

  test('the endpoint serves a client that sends its first request 12 s after its TLS handshake', async (t) => {
    const endpoint = await startEndpoint(t);
    // An API server can open a connection without using it, and send its first request on it later.
    const spare = await connectTo(endpoint);
    await delay(12_000);
    const body = JSON.stringify(aReview());
    const head = 'POST /modify-terraform-job HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const answered = once(spare, 'data');
    spare.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    assert.match(String(await answered), /^HTTP\/1\.1 200 /);
  });
});
