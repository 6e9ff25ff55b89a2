import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperatorError } from '../errors.ts';
import { type ListenOptions, listen } from '../listen.ts';

/** What the endpoint presents: PEM texts. */
export interface Presented {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface EndpointOptions extends ListenOptions {
  /** How long to go on answering once told to close. */
  readonly drainMs: number;
}

/** The HTTPS endpoint: it listens, and no handshake succeeds until there is a certificate to present. */
export interface EndpointServer {
  readonly port: number;
  /**
   * Presents a certificate from now on. Open connections keep the one they were made with.
   *
   * @throws OperatorError `CERTIFICATE_ISSUE_FAILED` when TLS cannot load it; what was presented before still is.
   */
  present(pair: Presented): void;
  /** Answers for the drain time, where it could be called at all; then refuses new connections and resolves when the last answer is out. */
  close(): Promise<void>;
}

/** Longer than the 90 s for which the API server keeps an idle connection: it must be the one that closes. */
const KEEP_ALIVE_MS = 120_000;

/** An answer that takes longer than any `timeoutSeconds` (30 at the most) has no reader any more. */
const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;

/**
 * Starts to listen, which needs no certificate: a port that is taken is found out before one is issued.
 *
 * @throws OperatorError `SERVER_LISTEN_FAILED`
 */
export async function openServer(app: RequestListener, options: EndpointOptions): Promise<EndpointServer> {
  const server = createServer({
    ...tlsOptions,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    headersTimeout: HEADERS_MS,
    handshakeTimeout: HEADERS_MS,
    connectionsCheckingInterval: 1_000,
  });
  let isPresenting = false;
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
  return {
    port: await listen(server, options, '--webhook-bind-port, --webhook-bind-address'),
    present({ certificate, privateKey }) {
      try {
        server.setSecureContext({ ...tlsOptions, cert: certificate, key: privateKey });
      } catch (error) {
        const text = `cannot present the serving certificate: ${messageOf(error)}`;
        throw new OperatorError('CERTIFICATE_ISSUE_FAILED', text, { cause: error });
      }
      isPresenting = true;
    },
    async close() {
      isDraining = true;
      answering.forEach(sendAway);
      if (isPresenting) await delay(options.drainMs);
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
const tlsOptions = { minVersion: 'TLSv1.2' } as const;
