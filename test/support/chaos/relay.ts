import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { ApiCredentials } from '../cluster/api-credentials.ts';

/** What one connection says about itself (RFC 9110 §7.6.1), and whom it is for. */
const OF_THE_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding', 'host', 'authorization'];

/**
 * Sends a request on to the API server with the credentials of `credentials`, and answers the head of what comes back.
 * When the client goes away, as watchers do, so does the call; rejects then, and when the API server does.
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
    agent: false, // one connection per call: none that is left over could be cut
  });
  response.once('close', () => call.destroy());
  request.pipe(call);
  const [answer] = await once(call, 'response');
  call.on('error', () => {}); // told by the answer, which ends too early
  return answer;
}

/** Passes the answer on as it comes, which for a watch is event by event. */
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
