import type { ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/** Every connection of a server, from before its handshake on. */
export interface Connections {
  /** Those that are open now are to end with the next answer. */
  sendAwaySoon(): void;
  isSentAway(socket: Socket): boolean;
  /** Cuts all of them off. */
  destroy(): void;
}

interface Connection {
  readonly socket: Socket;
  /** Whether it has shown a client certificate, or has got an answer that only reviews get. */
  isProven: boolean;
  isAnswered: boolean;
  isSentAway: boolean;
  /** When it was last made, or asked, or answered. */
  activeMs: number;
}

/**
 * Holds at most that many connections. When one more comes, the one that will be missed least is cut off, and not the
 * newcomer, which may be the API server: at first who has never shown to be one, and of those who is idle for longest.
 */
export function holdConnections(server: Server, most: number, dropped: () => void): Connections {
  const open = new Map<string, Connection>();
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    if (open.size >= most) drop(leastMissed(open.values()));
    const connection = { socket, isProven: false, isAnswered: true, isSentAway: false, activeMs: performance.now() };
    open.set(key, connection);
    socket.once('close', () => {
      if (open.get(key) === connection) open.delete(key);
    });
  });
  server.on('secureConnection', (socket) => {
    const connection = open.get(keyOf(socket));
    if (connection && socket.authorized) connection.isProven = true;
  });
  server.prependListener('request', ({ socket }, response) => {
    const connection = open.get(keyOf(socket));
    if (connection) follow(connection, response);
  });

  function drop(connection: Connection | undefined): void {
    if (connection === undefined) return;
    for (const [key, other] of open) if (other === connection) open.delete(key);
    connection.socket.destroy();
    dropped();
  }
  return {
    sendAwaySoon() {
      for (const connection of open.values()) connection.isSentAway = true;
    },
    isSentAway: (socket) => open.get(keyOf(socket))?.isSentAway === true,
    destroy() {
      for (const { socket } of open.values()) socket.destroy();
    },
  };
}

/** The same for the bare socket and for the one that TLS makes of it, which do not know each other. */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function follow(connection: Connection, response: ServerResponse): void {
  connection.isAnswered = false;
  connection.activeMs = performance.now();
  response.once('close', () => {
    connection.isAnswered = true;
    connection.isProven ||= response.statusCode === 200;
    connection.activeMs = performance.now();
  });
}

function leastMissed(connections: Iterable<Connection>): Connection | undefined {
  let least: Connection | undefined;
  for (const connection of connections) {
    if (least === undefined || isMissedLess(connection, least)) least = connection;
  }
  return least;
}

/** Who has proven nothing goes before who has, who is idle before who waits for an answer, and the longest first. */
function isMissedLess(one: Connection, other: Connection): boolean {
  const rank = ({ isProven, isAnswered }: Connection) => (isProven ? 2 : 0) + (isAnswered ? 0 : 1);
  const difference = rank(one) - rank(other);
  return difference === 0 ? one.activeMs < other.activeMs : difference < 0;
}
