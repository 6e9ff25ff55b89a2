import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

interface Connection {
  readonly key: string;
  readonly socket: Socket;
  /** Whether the client has a verified certificate or has received a response with status 200. */
  isProven: boolean;
  /**
   * The responses that are not sent yet. There is more than one if the client sends requests without waiting
   * (pipelining).
   */
  readonly answering: ServerResponse[];
  isClosing: boolean;
  /** When the connection was opened, or when its last request or response was. */
  activeMs: number;
}

/**
 * Limits the open connections of an HTTP or HTTPS server. At the limit, a new connection is still accepted, because it
 * can come from the API server, and an open connection is closed for it. A connection counts as proven if its client
 * has a verified certificate or has received a response with status 200. The connection to close is chosen by these
 * rules, the most important first:
 *
 * 1. an unproven connection before a proven connection;
 * 2. a connection without a pending response before a connection with one;
 * 3. the connection that was idle for longest.
 *
 * No request adds an entry to a Set or Map, because V8 keeps removed entries of a Map alive until the next full garbage
 * collection.
 */
export function holdConnections(server: Server, most: number, dropped: () => void) {
  const open = new Map<string, Connection>();
  /** The connection by TCP socket and, after the handshake, also by TLS socket. */
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
  // Prepend this listener, so that it runs before the HTTP parser of Node.js reads the request.
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
    // Iterate without a copy, because in a flood of connections each new one calls this function.
    const { key, socket } = open.values().reduce((one, other) => (isEvictedBefore(other, one) ? other : one));
    open.delete(key);
    socket.destroy();
    dropped();
  }
  return {
    /** Marks each open connection, so that it is closed after its next response. */
    closeAfterNextResponse() {
      for (const connection of open.values()) connection.isClosing = true;
    },
    isClosing: (socket: Socket) => asking.get(socket)?.isClosing === true,
    /** Returns the responses that are not sent yet. */
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
