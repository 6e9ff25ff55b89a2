import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const HOST = '127.0.0.1';

/**
 * A TCP proxy between one replica and the API servers that can fail. It does not decrypt TLS. It spreads connections
 * over the API servers in turn and tries the next one if a connection is refused.
 */
export interface Link {
  readonly port: number;
  /** Returns how many connections were accepted while the link was open. Each begins with a TLS handshake. */
  opened(): number;
  /** Resets all connections, and each new one, until `restore`. */
  cut(): void;
  /**
   * Keeps connections open and accepts new ones, but forwards no data. `restore` resets them, as a router without their
   * state does.
   */
  halfOpen(): void;
  restore(): void;
  /**
   * Resets all connections and leads new ones to the API server on this port only. `undefined` allows all API servers
   * again.
   */
  only(port: number | undefined): void;
  close(): Promise<void>;
}

export async function startLink(ports: readonly number[]): Promise<Link> {
  const sockets = new Set<Socket>();
  let state: 'open' | 'cut' | 'half-open' = 'open';
  let allowed = ports;
  let opened = 0;
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  };
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const server = createServer({ noDelay: true }, (client) => {
    track(client);
    if (state === 'cut') return void client.resetAndDestroy();
    if (state === 'half-open') return void client.pause();
    opened += 1;
    return void join(
      client,
      [...allowed.slice(opened % allowed.length), ...allowed.slice(0, opened % allowed.length)],
      track,
    );
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    opened: () => opened,
    cut() {
      state = 'cut';
      reset();
    },
    halfOpen() {
      state = 'half-open';
      for (const socket of sockets) socket.unpipe().pause();
    },
    restore() {
      if (state === 'half-open') reset();
      state = 'open';
    },
    only(port) {
      allowed = port === undefined ? ports : [port];
      if (port !== undefined) reset();
    },
    async close() {
      state = 'cut';
      reset();
      server.close();
      await once(server, 'close');
    },
  };
}

async function join(client: Socket, ports: readonly number[], track: (socket: Socket) => void): Promise<void> {
  for (const port of ports) {
    const server = connect({ host: HOST, port, noDelay: true });
    track(server);
    const isConnected = await new Promise((resolve) => {
      server.once('connect', () => resolve(true)).once('close', () => resolve(false));
    });
    if (!isConnected) continue;
    if (client.destroyed) return void server.destroy();
    client.pipe(server).pipe(client);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    return;
  }
  client.resetAndDestroy();
}
