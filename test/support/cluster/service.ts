import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type ReadinessProbe, startReadinessProbe } from './readiness-probe.ts';

const HOST = '127.0.0.1';

/**
 * Options of both sockets of a connection. A client that has sent its data can still receive the response
 * (allowHalfOpen). Small packets are sent at once, without the Nagle algorithm of RFC 896 (noDelay).
 */
const SOCKET = { allowHalfOpen: true, noDelay: true };

/** Two ports of 127.0.0.1: `port` receives connections, `probesPort` serves the readiness. */
export interface Backend {
  readonly port: number;
  readonly probesPort: number;
}

/**
 * A TCP load balancer on 127.0.0.1 that stands in for a Service, because there is no kube-proxy. A backend that is not
 * ready or was removed gets no new connections; its open connections remain.
 */
export interface Service {
  readonly port: number;
  /** Adds a backend. It gets connections after its first successful probe. */
  add(backend: Backend): void;
  /** Removes the backend with this port. It gets no new connections. */
  remove(backend: Pick<Backend, 'port'>): void;
  /** Returns the backends whose last probe succeeded. */
  ready(): readonly Backend[];
  /** Cuts all connections. Resolves when none is open. */
  close(): Promise<void>;
}

export async function startService(): Promise<Service> {
  const endpoints = new Map<number, { readonly backend: Backend; readonly probe: ReadinessProbe }>();
  const sockets = new Set<Socket>();
  const ready = () => [...endpoints.values()].filter(({ probe }) => probe.isReady()).map(({ backend }) => backend);
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // an unhandled error of a socket would end the process
  };
  const server = createServer(SOCKET, (client) => {
    track(client);
    void forward(client, { candidates: shuffled(ready()), track });
  });
  server.listen(0, HOST);
  await once(server, 'listening');

  const stops: Promise<void>[] = [];
  const remove = ({ port }: Pick<Backend, 'port'>) => {
    const endpoint = endpoints.get(port);
    if (endpoint) stops.push(endpoint.probe.stop());
    endpoints.delete(port);
  };
  return {
    port: (server.address() as AddressInfo).port,
    add(backend) {
      remove(backend);
      endpoints.set(backend.port, { backend, probe: startReadinessProbe(backend.probesPort) });
    },
    remove,
    ready,
    async close() {
      for (const { backend } of endpoints.values()) remove(backend);
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all([...stops, closed]);
    },
  };
}

interface Forwarding {
  /** Backends in the order in which they are tried. */
  readonly candidates: readonly Backend[];
  readonly track: (socket: Socket) => void;
}

/** Connects the client with the first backend that accepts; closes the client if none does. */
async function forward(client: Socket, { candidates, track }: Forwarding): Promise<void> {
  for (const { port } of candidates) {
    if (client.destroyed) return;
    const backend = connect({ ...SOCKET, host: HOST, port });
    track(backend);
    // A refused connection means that the last probe is outdated; the next backend is tried.
    if (await isConnected(backend)) return join(client, backend);
  }
  client.destroy();
}

function isConnected(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
}

/**
 * Forwards data, end and close between two sockets. A reset becomes an end, because resetting a socket during shutdown
 * leaves a handle open that keeps Node.js running.
 */
function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroySoon());
  }
  if (one.destroyed) other.destroy();
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  return values
    .map((value) => ({ value, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ value }) => value);
}
