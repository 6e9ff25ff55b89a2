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
  /** Milliseconds that the endpoint continues to serve after `close` is called. */
  readonly drainMs: number;
  readonly tls: {
    readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
    /** OpenSSL names, the preferred suite first. */
    readonly cipherSuites: readonly string[];
  };
  /** Maximum number of open connections. At the limit, `holdConnections` closes an open connection for each new one. */
  readonly maxConnections: number;
  /** The allowed common names of client certificates; any name if absent. */
  readonly clientNames: readonly string[] | undefined;
  /** The idle timeout and request timeout, 120 s by default. Tests set a shorter one. */
  readonly idleMs?: number;
}

/** Which clients the endpoint accepts, and a callback for refused connections. */
export interface Callers {
  /** PEM of the CAs of client certificates. If absent, the endpoint requests no client certificate. */
  readonly clientCa: string | undefined;
  readonly refused: Refused;
}

/** The HTTPS endpoint. It listens from the start; handshakes fail until `present` is called. */
export interface EndpointServer {
  readonly port: number;
  /**
   * Presents a certificate to new connections. Open connections keep their certificate.
   *
   * @throws OperatorError `CERTIFICATE_ISSUE_FAILED` if TLS cannot load the certificate. The endpoint then keeps its
   * certificate.
   */
  present(pair: CertificatePair): void;
  /**
   * Accepts only client certificates that these CAs have signed. Each open connection is closed after its next
   * response, so that its client must present its certificate again.
   */
  trustClients(clientCa: string): void;
  /**
   * Continues to serve for the drain time if a certificate was presented. Then refuses new connections, and resolves
   * when the last response is sent or after 30 s.
   */
  close(): Promise<void>;
}

/**
 * The endpoint closes a connection after this time without a byte, or without a complete request.
 *
 * An API server keeps an idle connection for 90 s. The endpoint waits longer, because a request would be lost if the
 * API server sent it while the endpoint closes the connection.
 *
 * Node.js measures the time of the first request from the start of the connection. This first request can come late: an
 * API server opens a connection when all others are busy, but then sends the request on another connection that becomes
 * free first.
 */
const IDLE_MS = 120_000;

/**
 * Maximum time that `close` waits for pending responses. Kubernetes allows at most 30 as `timeoutSeconds`, so no API
 * server waits longer.
 */
const CLOSE_MS = 30_000;
const HANDSHAKE_MS = 10_000;
/** How often Node.js checks for requests that have timed out. Each check wakes the process. */
const CHECK_MS = 10_000;
/** Maximum size of all headers of a request, in bytes. The API server sends a few hundred. */
const HEADERS_BYTES = 16 * 1024;

/**
 * Starts the HTTPS endpoint without a certificate, so that a port in use is reported before a certificate is issued.
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
    connectionsCheckingInterval: Math.min(CHECK_MS, idleMs),
  });
  let presented: CertificatePair | undefined;
  let { clientCa } = callers;
  let isDraining = false;
  const connections = holdConnections(server, options.maxConnections, () =>
    callers.refused('too-many-connections', `more than ${options.maxConnections} connections`),
  );
  server.timeout = idleMs;
  if (isAsking) refuseOthers(server, options.clientNames, callers.refused);
  server.on('request', (request, response) => {
    if (isDraining || connections.isClosing(request.socket)) closeAfter(response);
    handle(request, response);
  });
  // Repeats all options, because setSecureContext resets omitted options.
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
      // On a busy machine, `delay` can resolve late. Let Node.js read the requests that have arrived by now, before
      // `server.close` closes idle connections.
      await turnOfTheLoop();
      const closed = once(server, 'close');
      server.close();
      // `server.close` closes idle connections at once. Wait for pending responses, but at most CLOSE_MS.
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
    // Limit the version if no TLS 1.3 suite is allowed. Otherwise both sides agree on TLS 1.3 and find no common
    // suite.
    ...(cipherSuites.some(isOfTls13) ? {} : { maxVersion: 'TLSv1.2' }),
    ciphers: cipherSuites.join(':'),
    honorCipherOrder: true,
    // A renegotiation is expensive for a server and cheap for a client, and no client of Kubernetes needs it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/**
 * Makes the client close the connection after this response, unless its headers are already sent. Used while the Pod
 * terminates, so that the API server stops using its connection, and after a change of the client CA.
 */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
