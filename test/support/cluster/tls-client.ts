import { once } from 'node:events';
import { connect, type PeerCertificate } from 'node:tls';

/** Returns the certificate that a TLS server presents. Rejects if the CA bundle does not verify it for the name. */
export async function presentedCertificate(
  port: number,
  { ca, servername }: { readonly ca: string; readonly servername: string },
): Promise<PeerCertificate> {
  const socket = connect({ host: '127.0.0.1', port, ca, servername });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate();
  } finally {
    socket.destroy();
  }
}
