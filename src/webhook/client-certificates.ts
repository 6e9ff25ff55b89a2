import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { parseCertificate } from '../certs/x509.ts';
import { messageOf } from '../lib/errors.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../lib/pem.ts';
import { type FileContent, readSmallFile } from '../lib/watched-file.ts';
import type { Refused } from './refused-connections.ts';

/** Many times the bundle of any cluster. */
const MOST_BYTES = 1024 * 1024;

/** Reads the CA certificates that client certificates must be issued by. */
export function readClientCaFile(file: string): FileContent<Pem> {
  const read = readSmallFile(file, MOST_BYTES);
  return 'problem' in read ? { problems: [read.problem] } : readBundle(read.content.toString());
}

/** All or nothing: a block that cannot be read may be the authority that everybody's certificates are of. */
function readBundle(text: string): FileContent<Pem> {
  const blocks = countPemBlocks(text);
  const certificates = splitCertificates(text);
  const authorities = certificates.filter((pem) => parseCertificate(pem)?.ca);
  if (blocks === 0) return { problems: ['found no certificate; allowed is the PEM of one authority or several'] };
  if (authorities.length === blocks) return { value: authorities.join('') as Pem };
  const found = `${blocks - authorities.length} of ${blocks} blocks that are no certificate of an authority`;
  return { problems: [`found ${found}; allowed are those alone`] };
}

/** A handshake that ends before it comes to a certificate: a port scan, another protocol, an old one, who does not trust us. */
const NO_REFUSAL =
  /^(ECONNRESET|EPIPE|ERR_TLS_HANDSHAKE_TIMEOUT|ERR_SSL_(.*ALERT.*|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|WRONG_VERSION_NUMBER|NO_SHARED_CIPHER|HTTP_REQUEST|HTTPS_PROXY_REQUEST|UNEXPECTED_EOF_WHILE_READING))$/;

/** Reports each client that TLS has refused for its certificate, and refuses those with another common name. */
export function refuseOthers(server: Server, names: readonly string[] | undefined, refused: Refused): void {
  server.on('tlsClientError', (error: NodeJS.ErrnoException, { authorizationError }) => {
    if (!authorizationError && NO_REFUSAL.test(error.code ?? '')) return;
    refused('client-refused', String(authorizationError || messageOf(error)));
  });
  // Before HTTP reads anything.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    // Null where the socket has gone already, whatever the types say.
    const name = socket.getPeerCertificate()?.subject?.CN;
    if (names === undefined || (typeof name === 'string' && names.includes(name))) return;
    socket.destroy();
    refused('client-refused', `CN: found ${JSON.stringify(name)}; allowed is ${names.join(', ')}`);
  });
}
