import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

interface Connection {
  readonly key: string;
  readonly socket: Socket;
  /** Whether the client has a valid certificate, or has got an answer 200, which only reviews get. */
  isProven: boolean;
  /** The answers that are not sent yet: more than one if the client sends requests without waiting. */
  readonly answering: ServerResponse[];
  isClosing: boolean;
  /** When the connection was opened, or last had a request or an answer. */
  activeMs: number;
}

/**
 * Limits the connections of an HTTP or HTTPS server. Beyond the limit a new connection is accepted, because it can come
 * from the API server, and an open connection is closed: unproven connections before proven ones, idle ones before
 * active ones, the longest idle first.
 *
 * Nothing is added to a Set or Map for each request: V8 chains the old tables of a Map, which keeps all former entries
 * alive until the next full garbage collection.
 */
export function holdConnections(server: Server, most: number, dropped: () => void) {
  const open = new Map<string, Connection>();
  /** By socket: the TCP socket and, once the handshake is done, its TLS socket. */
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
  // Prepended, so that it runs before the HTTP parser reads the request.
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
    // Iterates without a copy, because a flood of connections calls this for each one.
    const { key, socket } = open.values().reduce((one, other) => (isEvictedBefore(other, one) ? other : one));
    open.delete(key);
    socket.destroy();
    dropped();
  }
  return {
    /** Marks each open connection, so that it is closed after its next answer. */
    closeAfterNextResponse() {
      for (const connection of open.values()) connection.isClosing = true;
    },
    isClosing: (socket: Socket) => asking.get(socket)?.isClosing === true,
    /** Returns the answers that are not sent yet. */
    answering: (): readonly ServerResponse[] => [...open.values()].flatMap(({ answering }) => answering),
    /** Closes all connections at once. */
    destroy() {
      for (const { socket } of open.values()) socket.destroy();
    },
  };
}

/**
 * Returns a key that is the same for a TCP socket and its TLS socket, because Node.js does not expose the link
 * between them.
 */
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

/** Returns whether `one` is closed before `other`. */
function isEvictedBefore(one: Connection, other: Connection): boolean {
  const rank = ({ isProven, answering }: Connection) => (isProven ? 2 : 0) + (answering.length > 0 ? 1 : 0);
  const difference = rank(one) - rank(other);
  return difference === 0 ? one.activeMs < other.activeMs : difference < 0;
}
