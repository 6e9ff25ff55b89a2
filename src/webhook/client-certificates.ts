import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { parseCertificate } from '../certs/x509.ts';
import { messageOf } from '../lib/errors.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../lib/pem.ts';
import { type FileContent, readSmallFile } from '../lib/watched-file.ts';
import type { Refused } from './refused-connections.ts';

/** Maximum size of the client CA file, in bytes. */
const MOST_BYTES = 1024 * 1024;

/** Reads the CA certificates that verify client certificates. */
export function readClientCaFile(file: string): FileContent<Pem> {
  const read = readSmallFile(file, MOST_BYTES);
  return 'problem' in read ? { problems: [read.problem] } : readBundle(read.content.toString());
}

/**
 * Returns the CA certificates, or a problem if any PEM block is not a CA certificate. Such a block is not skipped,
 * because it can be a damaged CA of the API server.
 */
function readBundle(text: string): FileContent<Pem> {
  const blocks = countPemBlocks(text);
  const certificates = splitCertificates(text);
  const authorities = certificates.filter((pem) => parseCertificate(pem)?.ca);
  if (blocks === 0) return { problems: ['no certificate: must be one or more CA certificates in PEM'] };
  if (authorities.length === blocks) return { value: authorities.join('') as Pem };
  return { problems: [`${blocks - authorities.length} of ${blocks} PEM blocks are not CA certificates`] };
}

/**
 * Codes of TLS handshakes that failed for another reason than the client certificate: a port scan, another protocol, an
 * old TLS version, a client that does not trust the endpoint. Such a failure is not reported.
 */
const NO_REFUSAL =
  /^(ECONNRESET|EPIPE|ERR_TLS_HANDSHAKE_TIMEOUT|ERR_SSL_(.*ALERT.*|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|WRONG_VERSION_NUMBER|NO_SHARED_CIPHER|HTTP_REQUEST|HTTPS_PROXY_REQUEST|UNEXPECTED_EOF_WHILE_READING))$/;

/**
 * Reports each client whose certificate TLS has refused. If `names` is set, also refuses and reports each client whose
 * certificate has a common name that is not in `names`.
 */
export function refuseOthers(server: Server, names: readonly string[] | undefined, refused: Refused): void {
  server.on('tlsClientError', (error: NodeJS.ErrnoException, { authorizationError }) => {
    if (!authorizationError && NO_REFUSAL.test(error.code ?? '')) return;
    refused('client-refused', String(authorizationError || messageOf(error)));
  });
  // Prepend this listener, so that it runs before the HTTP parser of Node.js reads the request.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    // `getPeerCertificate` returns null for a closed socket, contrary to its type.
    const name = socket.getPeerCertificate()?.subject?.CN;
    if (names === undefined || (typeof name === 'string' && names.includes(name))) return;
    socket.destroy();
    refused('client-refused', `CN: invalid value ${JSON.stringify(name)}: must be one of ${names.join(', ')}`);
  });
}
