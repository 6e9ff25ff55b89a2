import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { setTimeout as delay, setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import type { CertificatePair } from '../certs/certificate-set.ts';
import { messageOf, OperatorError } from '../lib/errors.ts';
import { type ListenOptions, listen } from '../lib/listen.ts';
import { isOfTls13 } from './cipher-suites.ts';
import { refuseOthers } from './client-certificates.ts';
import { holdConnections } from './connections.ts';
import type { Refused } from './refused-connections.ts';

export interface EndpointOptions extends ListenOptions {
  /** How long to go on answering once told to close. */
  readonly drainMs: number;
  readonly tls: {
    readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
    /** As OpenSSL names them, the preferred one first. */
    readonly cipherSuites: readonly string[];
  };
  /** One more takes the place of the one that will be missed least. */
  readonly maxConnections: number;
  /** The common names that a client certificate may have; any where absent. */
  readonly clientNames: readonly string[] | undefined;
  /** How long a connection may wait for a whole request, 120 s by default. Tests have less patience. */
  readonly idleMs?: number;
}

/** Who may call, and who is told of those that may not. */
export interface Callers {
  /** PEM of the authorities of client certificates; where absent, none is asked for. */
  readonly clientCa: string | undefined;
  readonly refused: Refused;
}

/** The HTTPS endpoint: it listens, and no handshake succeeds until there is a certificate to present. */
export interface EndpointServer {
  readonly port: number;
  /**
   * Presents a certificate from now on. Open connections keep the one they were made with.
   *
   * @throws OperatorError `CERTIFICATE_ISSUE_FAILED` when TLS cannot load it; what was presented before still is.
   */
  present(pair: CertificatePair): void;
  /**
   * Takes client certificates of these authorities from now on, and no others. Who is connected already is asked again:
   * the connection ends with the next answer.
   */
  trustClients(clientCa: string): void;
  /** Answers for the drain time, where it could be called at all; then refuses new connections and resolves when the last answer is out. */
  close(): Promise<void>;
}

/**
 * A connection is closed that has carried no byte for this long, or no whole request. Longer than the 90 s for which an API
 * server keeps an idle connection, because the API server must close first: a request that it sends at the moment when this
 * side closes is lost. Node.js counts the time for a request from the connection on if it is the first, and an API server has
 * connections that it has never used: it dials one when all are in use, and takes the next that gets free.
 */
const IDLE_MS = 120_000;

/** An answer that takes longer than any `timeoutSeconds` (30 at the most) has no reader any more. */
const CLOSE_MS = 30_000;
const HANDSHAKE_MS = 10_000;
/** How often Node.js looks for requests that have taken too long. */
const CHECK_MS = 1_000;
/** Of all headers of a request. Those of the API server are a few hundred. */
const HEADERS_BYTES = 16 * 1024;

/**
 * Starts to listen, which needs no certificate: a port that is taken is found out before one is issued.
 *
 * @throws OperatorError `SERVER_LISTEN_FAILED`
 */
export async function openServer(
  handle: RequestListener,
  options: EndpointOptions,
  callers: Callers,
): Promise<EndpointServer> {
  const isAsking = callers.clientCa !== undefined;
  const tls = tlsOptions(options.tls);
  const idleMs = options.idleMs ?? IDLE_MS;
  const server = createServer({
    ...tls,
    requestCert: isAsking,
    rejectUnauthorized: isAsking,
    keepAliveTimeout: idleMs,
    requestTimeout: idleMs,
    headersTimeout: idleMs,
    handshakeTimeout: HANDSHAKE_MS,
    maxHeaderSize: HEADERS_BYTES,
    connectionsCheckingInterval: CHECK_MS,
  });
  let presented: CertificatePair | undefined;
  let { clientCa } = callers;
  let isDraining = false;
  const connections = holdConnections(server, options.maxConnections, () =>
    callers.refused('too-many-connections', `found more than ${options.maxConnections} connections`),
  );
  server.timeout = idleMs;
  if (isAsking) refuseOthers(server, options.clientNames, callers.refused);
  server.on('request', (request, response) => {
    if (isDraining || connections.isClosing(request.socket)) closeAfter(response);
    handle(request, response);
  });
  // setSecureContext forgets what it is not told again.
  const load = ({ certificate, privateKey }: CertificatePair, ca: string | undefined) =>
    server.setSecureContext({ ...tls, cert: certificate, key: privateKey, ...(ca === undefined ? {} : { ca }) });
  return {
    port: await listen(server, options, '--webhook-bind-port, --webhook-bind-address'),
    present(pair) {
      try {
        load(pair, clientCa);
      } catch (error) {
        const text = `cannot present the serving certificate: ${messageOf(error)}`;
        throw new OperatorError('CERTIFICATE_ISSUE_FAILED', text, { cause: error });
      }
      presented = pair;
    },
    trustClients(ca) {
      if (presented) load(presented, ca);
      clientCa = ca;
      connections.closeAfterNextResponse();
    },
    async close() {
      isDraining = true;
      connections.answering().forEach(closeAfter);
      if (presented) await delay(options.drainMs);
      // On a busy machine the timer is late: requests that have arrived meanwhile are read before idle connections are closed.
      await turnOfTheLoop();
      const closed = once(server, 'close');
      server.close();
      // What has no answer to wait for, not even a finished handshake, is cut off at once, the rest at the latest then.
      await Promise.race([
        Promise.all(connections.answering().map((response) => once(response, 'close'))),
        delay(CLOSE_MS, undefined, { ref: false }),
      ]);
      connections.destroy();
      await closed;
    },
  };
}

function tlsOptions({ minVersion, cipherSuites }: EndpointOptions['tls']): SecureContextOptions {
  return {
    minVersion,
    // Otherwise both sides agree on TLS 1.3 and find no suite for it.
    ...(cipherSuites.some(isOfTls13) ? {} : { maxVersion: 'TLSv1.2' }),
    ciphers: cipherSuites.join(':'),
    honorCipherOrder: true,
    // A renegotiation costs a server much and a client little; no client of Kubernetes asks for it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** The API server keeps to a connection for minutes, also to a Pod that is going away, unless told otherwise. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
