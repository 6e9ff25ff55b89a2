import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type ReadinessProbe, startReadinessProbe } from './readiness-probe.ts';

const HOST = '127.0.0.1';

/** Nothing is held back: not an end until the other side ends too, and not a small packet for its 40 ms (RFC 896). */
const SOCKET = { allowHalfOpen: true, noDelay: true };

/** Ports of 127.0.0.1: the one that gets the connections, and the one that tells whether it is to get any. */
export interface Backend {
  readonly port: number;
  readonly probesPort: number;
}

/**
 * What a Service does for a webhook, where there is no kube-proxy: a TCP load balancer on 127.0.0.1. A backend that is
 * not ready, or not there any more, gets no new connection; those that it has stay.
 */
export interface Service {
  readonly port: number;
  /** It gets connections once it was found ready. */
  add(backend: Backend): void;
  /** The backend with this port gets no new connection from now on. */
  remove(backend: Pick<Backend, 'port'>): void;
  /** Those that the last probe found ready. */
  ready(): readonly Backend[];
  /** Cuts every connection and resolves when nothing is left open. */
  close(): Promise<void>;
}

export async function startService(): Promise<Service> {
  const endpoints = new Map<number, { readonly backend: Backend; readonly probe: ReadinessProbe }>();
  const sockets = new Set<Socket>();
  const ready = () => [...endpoints.values()].filter(({ probe }) => probe.isReady()).map(({ backend }) => backend);
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // passed on to the other side by `join`; of no interest before that
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
  /** In the order in which they are tried. */
  readonly candidates: readonly Backend[];
  readonly track: (socket: Socket) => void;
}

/** Joins the client with the first backend that takes the connection; closes it where none does. */
async function forward(client: Socket, { candidates, track }: Forwarding): Promise<void> {
  for (const { port } of candidates) {
    if (client.destroyed) return;
    const backend = connect({ ...SOCKET, host: HOST, port });
    track(backend);
    // A refused connection is no reason to fail: the probe just does not know yet.
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
 * What happens to one side happens to the other. A reset becomes an end: to reset a socket that is just being shut down
 * leaves a handle behind on which Node.js waits for ever when the process ends.
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
