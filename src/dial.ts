import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { checkServerIdentity, connect } from 'node:tls';
import { parseCertificate } from './certs/x509.ts';
import { type Pem, splitCertificates } from './encodings.ts';
import { messageOf } from './errors.ts';
import type { Dialled } from './inspection-evidence.ts';

/** Where to call. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const DIAL_MS = 5_000;
const LOOKUP_MS = 3_000;

/** Whether the name leads anywhere from here. */
export async function resolves(host: string): Promise<boolean> {
  if (isIP(host) !== 0) return true;
  const late = AbortSignal.timeout(LOOKUP_MS);
  const found = lookup(host).then(
    () => true,
    () => false,
  );
  return Promise.race([found, once(late, 'abort').then(() => false)]);
}

/**
 * Asks the endpoint for its certificate and verifies that as the API server does: for the name `serverName`, with the
 * bundle and nothing else.
 */
export async function dial(address: Address, serverName: string, bundle: Pem): Promise<Dialled> {
  const shown = address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
  const socket = connect({
    ...address,
    // An address is not asked for by SNI (RFC 6066 §3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ca: splitCertificates(bundle).filter((pem) => parseCertificate(pem) !== undefined),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    minVersion: 'TLSv1.2',
    // As Go does: a certificate that is itself in the bundle is trusted, whoever has signed it.
    allowPartialTrustChain: true,
  });
  // A certificate that is refused is to be shown as well: it is there before the verification cuts the connection off.
  let certificate = '' as Pem;
  socket.prependListener('secure', () => {
    const { raw } = socket.getPeerCertificate(true);
    if (raw) certificate = new X509Certificate(raw).toString() as Pem;
  });
  // What comes after it was given up is of no interest.
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(DIAL_MS) });
    return { outcome: 'answered', address: shown, certificate, problem: undefined };
  } catch (error) {
    if (certificate !== '') return { outcome: 'answered', address: shown, certificate, problem: text(error) };
    const isLate = error instanceof Error && error.name === 'AbortError';
    return { outcome: 'failed', address: shown, problem: isLate ? `no answer in ${DIAL_MS / 1000} s` : text(error) };
  } finally {
    socket.destroy();
  }
}

/** An error that has tried several addresses has no text of its own. */
function text(error: unknown): string {
  // So TLS 1.2 answers who shows no certificate, and whoever has no cipher suite in common.
  if ((error as NodeJS.ErrnoException).code === 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE') {
    return 'it ends the handshake: it may ask for a client certificate, which is not had here';
  }
  return messageOf(error) || ((error as NodeJS.ErrnoException).code ?? 'failed');
}
