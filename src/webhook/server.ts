import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperatorError } from '../errors.ts';

/** What the endpoint presents: PEM texts. */
export interface Presented {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface EndpointOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** All addresses where absent. */
  readonly address: string | undefined;
  /** How long to go on answering once told to close. */
  readonly drainMs: number;
}

/** The running HTTPS endpoint. */
export interface EndpointServer {
  readonly port: number;
  /** Swaps the serving certificate. Open connections keep the one they were made with. */
  present(pair: Presented): void;
  /** Answers for the drain time, then refuses new connections and resolves when the last answer is out. */
  close(): Promise<void>;
}

/** Longer than the 90 s for which the API server keeps an idle connection: it must be the one that closes. */
const KEEP_ALIVE_MS = 120_000;

/** An answer that takes longer than any `timeoutSeconds` (30 at the most) has no reader any more. */
const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;

/**
 * Starts to listen.
 *
 * @throws OperatorError `SERVER_LISTEN_FAILED`
 */
export async function startServer(
  app: RequestListener,
  pair: Presented,
  { port, address, drainMs }: EndpointOptions,
): Promise<EndpointServer> {
  const server = createServer({
    ...tlsOptions(pair),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    headersTimeout: HEADERS_MS,
    handshakeTimeout: HEADERS_MS,
    connectionsCheckingInterval: 1_000,
  });
  let isDraining = false;
  const connections = new Set<Duplex>();
  const answering = new Set<ServerResponse>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', (request, response) => {
    answering.add(response);
    response.once('close', () => answering.delete(response));
    if (isDraining) sendAway(response);
    app(request, response);
  });
  server.listen({ port, host: address });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new OperatorError('SERVER_LISTEN_FAILED', `cannot listen on port ${port}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return {
    port: (server.address() as AddressInfo).port,
    present: (next) => server.setSecureContext(tlsOptions(next)),
    async close() {
      isDraining = true;
      answering.forEach(sendAway);
      await delay(drainMs);
      const closed = once(server, 'close');
      server.close();
      // What has no answer to wait for, not even a finished handshake, is cut off at once, the rest at the latest then.
      await Promise.race([
        Promise.all([...answering].map((response) => once(response, 'close'))),
        delay(REQUEST_MS, undefined, { ref: false }),
      ]);
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

/** The API server keeps to a connection for minutes, also to a Pod that is going away, unless told otherwise. */
function sendAway(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

// setSecureContext forgets what it is not told again.
const tlsOptions = ({ certificate, privateKey }: Presented) =>
  ({ cert: certificate, key: privateKey, minVersion: 'TLSv1.2' }) as const;
