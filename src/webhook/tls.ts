import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** Which TLS is spoken. */
export interface TlsSettings {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** As OpenSSL names them, the preferred one first. */
  readonly cipherSuites: readonly string[];
}

/** The same for Node.js. */
export function tlsOptions({ minVersion, cipherSuites }: TlsSettings): SecureContextOptions {
  const hasTls13 = cipherSuites.some((name) => name.startsWith('TLS_'));
  return {
    minVersion,
    // Else TLS 1.3 would be agreed upon, and no suite for it be found.
    ...(hasTls13 ? {} : { maxVersion: 'TLSv1.2' }),
    ciphers: cipherSuites.join(':'),
    honorCipherOrder: true,
    // Costs a server much and a client little; no client of Kubernetes asks for it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}
