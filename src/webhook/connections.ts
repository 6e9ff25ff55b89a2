import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

interface Connection {
  readonly key: string;
  readonly socket: Socket;
  /** Whether it has shown a client certificate, or has got an answer that only reviews get. */
  isProven: boolean;
  /** The answers that it waits for: more than one where the client has sent the next request already. */
  readonly answering: ServerResponse[];
  isClosing: boolean;
  /** When it was last made, or asked, or answered. */
  activeMs: number;
}

/**
 * Holds at most that many connections of an HTTP or HTTPS server. A new connection beyond them is accepted, because it may be
 * the API server's, and another one is cut off: one that has never shown to be the API server's, the longest idle first.
 *
 * Nothing is put into a Set or a Map for each request: V8 leaves a chain of their old tables behind, from which all that
 * was ever in them is kept alive until the next collection of the whole heap.
 */
export function holdConnections(server: Server, most: number, dropped: () => void) {
  const open = new Map<string, Connection>();
  /** By what asks: the bare socket, or the one that TLS makes of it. */
  const asking = new WeakMap<Socket, Connection>();
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    if (open.size >= most) evict();
    const connection = { key, socket, isProven: false, answering: [], isClosing: false, activeMs: performance.now() };
    open.set(key, connection);
    asking.set(socket, connection);
    socket.once('close', () => {
      if (open.get(key) === connection) open.delete(key);
    });
  });
  // Before HTTP reads anything from it.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    const connection = open.get(keyOf(socket));
    if (connection === undefined) return;
    asking.set(socket, connection);
    if (socket.authorized) connection.isProven = true;
  });
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const connection = asking.get(socket);
    if (connection) follow(connection, response);
  });

  function evict(): void {
    // No copy of the Map, because a flood of connections calls this for each of them.
    const { key, socket } = open.values().reduce((one, other) => (isEvictedBefore(other, one) ? other : one));
    open.delete(key);
    socket.destroy();
    dropped();
  }
  return {
    /** Marks each connection that is open now: it must end with the next answer. */
    closeAfterNextResponse() {
      for (const connection of open.values()) connection.isClosing = true;
    },
    isClosing: (socket: Socket) => asking.get(socket)?.isClosing === true,
    /** The answers that are not out yet. */
    answering: (): readonly ServerResponse[] => [...open.values()].flatMap(({ answering }) => answering),
    /** Cuts all connections off. */
    destroy() {
      for (const { socket } of open.values()) socket.destroy();
    },
  };
}

/** The same for the bare socket and for the one that TLS makes of it, which do not know each other. */
const keyOf = ({ localAddress, remoteAddress, remotePort }: Socket): string =>
  `${localAddress} ${remoteAddress} ${remotePort}`;

function follow(connection: Connection, response: ServerResponse): void {
  const { answering } = connection;
  answering.push(response);
  connection.activeMs = performance.now();
  response.once('close', () => {
    answering.splice(answering.indexOf(response), 1);
    connection.isProven ||= response.statusCode === 200;
    connection.activeMs = performance.now();
  });
}

/** Unproven connections are evicted before proven ones, idle ones before ones that wait for an answer, the longest idle first. */
function isEvictedBefore(one: Connection, other: Connection): boolean {
  const rank = ({ isProven, answering }: Connection) => (isProven ? 2 : 0) + (answering.length > 0 ? 1 : 0);
  const difference = rank(one) - rank(other);
  return difference === 0 ? one.activeMs < other.activeMs : difference < 0;
}
