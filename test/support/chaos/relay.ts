import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { ApiCredentials } from '../cluster/api-credentials.ts';

/** Headers that are not forwarded: hop-by-hop headers (RFC 9110 §7.6.1), Host and credentials. */
const OF_THE_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding', 'host', 'authorization'];

/**
 * Forwards a request to the API server with the given credentials and returns the response headers. Rejects if the
 * client or the API server closes the connection.
 */
export async function relayRequest(
  credentials: ApiCredentials,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<IncomingMessage> {
  if (response.destroyed || request.socket.destroyed)
    throw new Error('the client has gone away before its request was sent on');
  const call = httpsRequest({
    ...credentials.tls,
    host: credentials.host,
    port: credentials.port,
    method: request.method,
    path: request.url,
    headers: { ...endToEnd(request.headers), ...credentials.headers },
    agent: false, // one connection per call, so that no idle connection can be cut
  });
  response.once('close', () => call.destroy());
  request.pipe(call);
  const [answer] = await once(call, 'response');
  // An error of the call also ends the response early, so the reader of the response sees it.
  call.on('error', () => {});
  return answer;
}

/** Forwards the response body as it arrives: for a watch, event by event. */
export async function streamAnswer(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
  response.flushHeaders();
  await pipeline(answer, response);
}

export function answerWhole(answer: IncomingMessage, body: Buffer, response: ServerResponse): void {
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers)).end(body);
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.includes(name)));
}
