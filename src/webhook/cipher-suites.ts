/**
 * The cipher suites that the endpoint may use, as Kubernetes' components name them and as OpenSSL does: each keeps a
 * record from being changed (AEAD), and what was recorded from being read when the key gets out (an ephemeral exchange).
 * That is what RFC 9325 §4.2 recommends; no others can be asked for.
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

/** All of them, as OpenSSL names them. */
export const openSslSuites: readonly string[] = Object.values(openSslNames);

/** A list with commas, in either way of naming them, as OpenSSL names them; `undefined` where one is no such suite. */
export function parseCipherSuites(text: string): readonly string[] | undefined {
  const names = text.split(',').map((name) => openSslName(name.trim()));
  return names.every((name) => name !== undefined) ? names : undefined;
}

const openSslName = (name: string): string | undefined =>
  Object.entries(openSslNames).find((names) => names.includes(name))?.[1];

/** Whether a suite is one of TLS 1.3, which has its own. Both ways of naming those are the same. */
export const isOfTls13 = (openSslName: string): boolean => openSslName.startsWith('TLS_');

export const tls13Names: readonly string[] = openSslSuites.filter(isOfTls13);
