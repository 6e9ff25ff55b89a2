/**
 * The cipher suites that the endpoint can use: the name in Kubernetes components, then the name in OpenSSL. Each is an
 * AEAD suite with an ephemeral key exchange (forward secrecy), as RFC 9325 §4.2 recommends. --tls-cipher-suites accepts
 * only these.
 */
const openSslNames = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
} as const;

export const cipherSuiteNames: readonly string[] = Object.keys(openSslNames);

/** All suites, by their OpenSSL names. */
export const openSslSuites: readonly string[] = Object.values(openSslNames);

/**
 * Returns the OpenSSL names of a comma-separated list of cipher suites; `undefined` if a suite is unknown. The list can
 * name each suite as Kubernetes components do or as OpenSSL does.
 */
export function parseCipherSuites(text: string): readonly string[] | undefined {
  const names = text.split(',').map((name) => openSslName(name.trim()));
  return names.every((name) => name !== undefined) ? names : undefined;
}

const openSslName = (name: string): string | undefined =>
  Object.entries(openSslNames).find((names) => names.includes(name))?.[1];

/** Returns whether a suite belongs to TLS 1.3. These suites have the same name in Kubernetes and OpenSSL. */
export const isOfTls13 = (openSslName: string): boolean => openSslName.startsWith('TLS_');

export const tls13Names: readonly string[] = openSslSuites.filter(isOfTls13);
