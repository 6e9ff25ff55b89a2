import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { startService } from '../support/cluster/service.ts';
import { eventually, promptly } from '../support/eventually.ts';

const HOST = '127.0.0.1';

async function listening(t: TestContext, server: Server, port = 0): Promise<number> {
  server.listen(port, HOST);
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Starts a server that sends its name to each client and then echoes, with a readiness probe. */
async function startBackend(t: TestContext, name: string, { isReady = true, isListening = true } = {}) {
  const readiness = { isReady, isSilent: false };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.write(name);
    socket.pipe(socket);
  });
  t.after(() => sockets.forEach((socket) => void socket.destroy()));
  const probes = createHttpServer((_, response) => {
    if (!readiness.isSilent) response.writeHead(readiness.isReady ? 200 : 503).end();
  });
  t.after(() => probes.closeAllConnections());
  const port = isListening ? await listening(t, server) : await freePort();
  return { port, probesPort: await listening(t, probes), readiness, sockets };
}

async function startTestService(t: TestContext) {
  const service = await startService();
  t.after(() => service.close());
  /** Opens a connection and returns the name of the backend that accepts it; empty if no backend does. */
  const call = async () => {
    const { heard, socket } = await open(t, service.port);
    socket.destroy();
    return heard;
  };
  const calls = (times: number) => Promise.all(Array.from({ length: times }, call));
  return { ...service, service, calls };
}

async function open(t: TestContext, port: number): Promise<{ readonly socket: Socket; readonly heard: string }> {
  const socket = connect(port, HOST).setEncoding('utf8');
  t.after(() => socket.destroy());
  const heard = await promptly(Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])]));
  return { socket, heard: heard[0] };
}

async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [heard] = await promptly(once(socket, 'data'));
  return heard;
}

describe('the Service of the tests', () => {
  test('the Service of the tests closes a new connection if it has no backend', async (t) => {
    const { calls } = await startTestService(t);
    assert.deepEqual(await calls(2), ['', '']);
  });

  test('the Service of the tests spreads connections over all ready backends', async (t) => {
    const { add, ready, calls } = await startTestService(t);
    const backends = [await startBackend(t, 'one'), await startBackend(t, 'two')];
    for (const backend of backends) add(backend);
    await eventually(() => assert.deepEqual(ready(), backends));
    // The probability that all 40 calls reach the same backend is 2^-39.
    assert.deepEqual([...new Set(await calls(40))].sort(), ['one', 'two']);
  });

  test('the Service of the tests opens no connection to a backend while it is not ready', async (t) => {
    const { add, ready, calls } = await startTestService(t);
    const [steady, other] = [await startBackend(t, 'steady'), await startBackend(t, 'other', { isReady: false })];
    add(steady);
    add(other);
    await eventually(() => assert.deepEqual(ready(), [steady]));
    assert.deepEqual(new Set(await calls(20)), new Set(['steady']));
    other.readiness.isReady = true;
    await eventually(() => assert.equal(ready().length, 2));
    assert.equal(new Set(await calls(40)).size, 2);
    steady.readiness.isReady = false;
    await eventually(() => assert.deepEqual(ready(), [other]));
    assert.deepEqual(new Set(await calls(20)), new Set(['other']));
  });

  test('the Service of the tests skips a ready backend that refuses connections', async (t) => {
    const { add, ready, calls } = await startTestService(t);
    add(await startBackend(t, 'alive'));
    add(await startBackend(t, 'dead', { isListening: false }));
    await eventually(() => assert.equal(ready().length, 2));
    assert.deepEqual(new Set(await calls(20)), new Set(['alive']));
  });

  test('the Service of the tests closes a connection that each backend refuses', async (t) => {
    const { add, ready, calls } = await startTestService(t);
    add(await startBackend(t, 'dead', { isListening: false }));
    await eventually(() => assert.equal(ready().length, 1));
    assert.deepEqual(await calls(1), ['']);
  });

  test('the Service of the tests keeps open connections to an unready or removed backend', async (t) => {
    const { service, add, remove, ready, calls } = await startTestService(t);
    const backend = await startBackend(t, 'one');
    add(backend);
    await eventually(() => assert.equal(ready().length, 1));
    const { socket } = await open(t, service.port);
    backend.readiness.isReady = false;
    await eventually(() => assert.deepEqual(ready(), []));
    assert.deepEqual(await calls(1), ['']);
    assert.equal(await echo(socket, 'still there'), 'still there');
    remove(backend);
    assert.equal(await echo(socket, 'and now'), 'and now');
  });

  test('the Service of the tests forwards all data before the end of a connection', async (t) => {
    const { service, add, ready } = await startTestService(t);
    add(await startBackend(t, 'one'));
    await eventually(() => assert.equal(ready().length, 1));
    const { socket } = await open(t, service.port);
    const all = 'x'.repeat(1_000_000);
    socket.end(all);
    assert.equal((await promptly(socket.toArray())).join('').length, all.length);
  });

  test('the Service of the tests ends the connection of a client whose backend resets it', async (t) => {
    const { service, add, ready } = await startTestService(t);
    const backend = await startBackend(t, 'one');
    add(backend);
    await eventually(() => assert.equal(ready().length, 1));
    const { socket } = await open(t, service.port);
    const closed = once(socket.resume(), 'close');
    for (const one of backend.sockets) one.resetAndDestroy();
    await promptly(closed);
  });

  test('the Service of the tests marks a backend without a probe response as unready', async (t) => {
    const { add, ready } = await startTestService(t);
    const backend = await startBackend(t, 'one');
    add(backend);
    await eventually(() => assert.equal(ready().length, 1));
    backend.readiness.isSilent = true;
    await eventually(() => assert.deepEqual(ready(), []));
  });

  test('close() of the Service of the tests cuts all connections', async (t) => {
    const service = await startService();
    const backend = await startBackend(t, 'one');
    service.add(backend);
    await eventually(() => assert.equal(service.ready().length, 1));
    const { socket } = await open(t, service.port);
    const closed = once(socket, 'close');
    await promptly(service.close());
    await promptly(closed);
    await eventually(() => assert.ok([...backend.sockets].every(({ destroyed }) => destroyed)));
    assert.deepEqual(service.ready(), []);
    await assert.rejects(once(connect(service.port, HOST), 'connect'), { code: 'ECONNREFUSED' });
  });
});
