/** PEM text (RFC 7468): one block or several. */
export type Pem = string & { readonly encoding: 'pem' };

/** A text in base64, as in Secret data and in `caBundle`. */
export type Base64 = string & { readonly encoding: 'base64' };

export const toBase64 = (text: string): Base64 => Buffer.from(text, 'utf8').toString('base64') as Base64;

export const fromBase64 = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Returns each certificate block of a PEM text, in order. Ignores other text, as RFC 7468 §2 allows. */
export function splitCertificates(text: string): Pem[] {
  return (text.match(certificateBlock) ?? []).map((block) => `${block}\n` as Pem);
}

/** Returns how many PEM blocks begin in the text, with any label, including truncated blocks. */
export const countPemBlocks = (text: string): number => text.match(/-----BEGIN /g)?.length ?? 0;

/** Returns one PEM text with the certificates of several texts, in the given order and without duplicates. */
export function joinCertificates(texts: readonly string[]): Pem {
  return [...new Set(texts.flatMap(splitCertificates))].join('') as Pem;
}
