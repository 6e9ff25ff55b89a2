import type { X509Certificate } from 'node:crypto';
import type { Pem } from '../lib/pem.ts';
import { readContent } from './certificate-encoding.ts';
import type { ServerNames } from './certificate-set.ts';
import { isForNames } from './x509.ts';

/**
 * Whether the subjectAltName has exactly the given names, without wildcards. Go refuses a certificate with a name that
 * the name constraints of its CA do not permit.
 */
export function isIssuedFor(serving: X509Certificate, names: ServerNames): boolean {
  const found = serving.subjectAltName?.split(', ') ?? [];
  const isEach = isForNames(serving, names, { wildcards: false });
  return isEach && found.length === names.dns.length + names.ip.length;
}

/**
 * Whether a certificate is signed with RSA and SHA-256 and has only extensions that the daemon issues. Go refuses
 * SHA-1, MD5 and unknown critical extensions.
 */
export function isOfOurKind(pem: Pem): boolean {
  const content = readContent(pem);
  return content?.isSha256 === true && [...content.extensions.keys()].every((name) => ourExtensions.has(name));
}

const ourExtensions: ReadonlySet<string> = new Set([
  'basicConstraints',
  'keyUsage',
  'extKeyUsage',
  'nameConstraints',
  'subjectAltName',
  'subjectKeyIdentifier',
  'authorityKeyIdentifier',
]);
