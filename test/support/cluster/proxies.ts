import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';

export interface Proxy {
  /** Without the scheme. */
  readonly address: string;
  /** The host and port of each request so far. */
  readonly targets: readonly string[];
}

/** Starts an HTTP proxy that connects each client to one server, for any host in the request. */
export function startHttpProxy(t: TestContext, url: string): Promise<Proxy> {
  const targets: string[] = [];
  const proxy = createHttpServer().on('connect', (request, client) => {
    const user = Buffer.from(request.headers['proxy-authorization']?.split(' ')[1] ?? '', 'base64').toString();
    targets.push(`${user}${user && '@'}${request.url}`);
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    relay(t, client, url);
  });
  return listen(t, proxy, targets);
}

/** Starts a SOCKS 5 proxy without authentication (RFC 1928) that connects each client to one server. */
export function startSocksProxy(t: TestContext, url: string): Promise<Proxy> {
  const targets: string[] = [];
  const proxy = createServer(async (client) => {
    client.on('error', () => client.destroy());
    await once(client, 'readable');
    client.read();
    client.write(Uint8Array.of(5, 0));
    await once(client, 'readable');
    const request: Buffer = client.read();
    // Version, command, reserved, type 3: a domain name with its length before it, then the port.
    const port = request.readUInt16BE(request.length - 2);
    targets.push(request[3] === 3 ? `${request.subarray(5, -2)}:${port}` : `address:${port}`);
    client.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    relay(t, client, url);
  });
  return listen(t, proxy, targets);
}

function relay(t: TestContext, client: Duplex, url: string): void {
  const { hostname, port } = new URL(url);
  const server = connect(Number(port), hostname);
  server.pipe(client).pipe(server);
  for (const socket of [client, server]) {
    socket.on('error', () => socket.destroy());
    t.after(() => socket.destroy());
  }
}

async function listen(t: TestContext, proxy: Server, targets: readonly string[]): Promise<Proxy> {
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  return { address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, targets };
}
