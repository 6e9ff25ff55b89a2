import type { X509Certificate } from 'node:crypto';
import type { Pem } from '../lib/pem.ts';
import type { ServerNames } from './certificate-set.ts';
import { readContent } from './forge.ts';
import { isForNames } from './x509.ts';

/*
 * Whether a certificate looks like one that issue.ts has issued: others cannot be renewed or verified as promised.
 */

/** Whether the serving certificate is for exactly the names wanted: its CA may not sign for others, nor for a wildcard. */
export function isIssuedFor(serving: X509Certificate, names: ServerNames): boolean {
  const found = serving.subjectAltName?.split(', ') ?? [];
  const isEach = isForNames(serving, names, { wildcards: false });
  return isEach && found.length === names.dns.length + names.ip.length;
}

/**
 * Whether a certificate has the signature algorithm and no other extensions than those that are issued here. Go refuses
 * SHA-1, MD5 and critical extensions that it does not know.
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
