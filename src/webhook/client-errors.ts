import type { ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/** What Node.js answers by itself; what else its parser finds is a bad request. */
const STATUSES: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/**
 * Answers what is no HTTP as Node.js does, which leaves it to who listens, with one difference. Its time for headers begins with
 * the connection, so it would cut off who has not asked for anything yet. An API server has such connections: it dials one more
 * when all are in use, takes the first that gets free, and keeps the new one for later. The request that it sends at that very
 * moment would be answered with 408, and it does not come again. So a connection that has never been used may wait for as long
 * as `server.timeout` says; the time for headers begins with a request.
 *
 * @param answering the answers that are not out yet.
 * @see https://nodejs.org/docs/latest-v24.x/api/http.html#event-clienterror
 */
export function answerClientErrors(server: Server, answering: (socket: Socket) => readonly ServerResponse[]): void {
  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException, socket: Socket) => {
    const isTimeout = code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (isTimeout && socket.bytesRead === 0) return;
    // Otherwise a handshake has failed, or the connection is gone: there is nobody to answer.
    const isHttp = isTimeout || code.startsWith('HPE_');
    // Not into the middle of an answer.
    if (isHttp && socket.writable && !answering(socket).some(({ headersSent }) => headersSent)) {
      socket.write(`HTTP/1.1 ${STATUSES[code] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
    }
    // Not once all of it is out: who never reads would keep the connection for ever.
    socket.destroy();
  });
}
