import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { checkServerIdentity, connect } from 'node:tls';
import { parseCertificate } from '../../certs/x509.ts';
import { messageOf } from '../../lib/errors.ts';
import { type Pem, splitCertificates } from '../../lib/pem.ts';
import type { ProbeResult } from './observations.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

const PROBE_TIMEOUT_MS = 5_000;
const LOOKUP_TIMEOUT_MS = 2_000;

/**
 * Returns why this machine cannot resolve the host name, or `undefined` if it can. Node.js cannot cancel a lookup:
 * without an answer of a name server, the lookup can delay the exit of the process, but not the report.
 */
export const resolutionProblem = (host: string): Promise<string | undefined> =>
  Promise.race([
    lookup(host).then(
      () => undefined,
      () => 'does not resolve from here',
    ),
    delay(LOOKUP_TIMEOUT_MS, `was not resolved within ${LOOKUP_TIMEOUT_MS / 1000} s`, { ref: false }),
  ]);

/**
 * Gets the certificate of the endpoint, and verifies it as the API server does: for the name `serverName`, with only
 * the CAs of the bundle.
 */
export async function probeEndpoint(address: Address, serverName: string, bundle: Pem): Promise<ProbeResult> {
  const shown = address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
  const socket = connect({
    ...address,
    // SNI carries no IP address (RFC 6066 §3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ca: splitCertificates(bundle).filter((pem) => parseCertificate(pem) !== undefined),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    minVersion: 'TLSv1.2',
    // The API server (Go) trusts a certificate that is itself in the bundle, even without its CA.
    allowPartialTrustChain: true,
  });
  // Read the certificate before Node.js verifies it and closes the connection, because the report also shows a refused
  // certificate.
  let certificate = '' as Pem;
  socket.prependListener('secure', () => {
    const { raw } = socket.getPeerCertificate(true);
    if (raw) certificate = new X509Certificate(raw).toString() as Pem;
  });
  // Ignore errors after the timeout. Without a listener they would end the process.
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return { outcome: 'answered', address: shown, certificate, why: undefined };
  } catch (error) {
    const isLate = certificate === '' && error instanceof Error && error.name === 'AbortError';
    const why = isLate ? `no answer in ${PROBE_TIMEOUT_MS / 1000} s` : text(error);
    return certificate === ''
      ? { outcome: 'failed', address: shown, why }
      : { outcome: 'answered', address: shown, certificate, why };
  } finally {
    socket.destroy();
  }
}

/** Returns the text of a connection error. For a host with several addresses, the error has a code but no message. */
function text(error: unknown): string {
  // A TLS 1.2 server sends the alert `handshake_failure` if it requires a client certificate and gets none, or if
  // client and server share no cipher suite.
  if ((error as NodeJS.ErrnoException).code === 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE') {
    return 'TLS handshake failure: the endpoint may require a client certificate, which this command does not have';
  }
  return messageOf(error) || ((error as NodeJS.ErrnoException).code ?? 'failed');
}
