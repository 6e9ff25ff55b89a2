import type { X509Certificate } from 'node:crypto';
import { issuedAt, parseCertificate } from '../../certs/x509.ts';

export type CertificateFacts = NonNullable<ReturnType<typeof certificateFacts>>;

/**
 * Returns the facts that `inspect` prints about the first certificate in a PEM text, or `undefined` if it cannot be
 * parsed.
 */
export function certificateFacts(pem: string | undefined, now: Date) {
  const certificate = parseCertificate(pem ?? '');
  if (certificate === undefined) return undefined;
  const end = certificate.validToDate.getTime();
  return {
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    dnsNames: alternativeNames(certificate, 'DNS'),
    ipAddresses: alternativeNames(certificate, 'IP Address'),
    serial: certificate.serialNumber,
    sha256: certificate.fingerprint256,
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
    /** Milliseconds from issue to `notAfter`. The daemon sets `notBefore` to an hour before the issue. */
    lifetimeMs: end - issuedAt(certificate).getTime(),
    leftMs: Math.max(0, end - now.getTime()),
  } as const;
}

/** Returns a distinguished name on one line. Node.js has one attribute per line, and `undefined` for an empty name. */
const nameText = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');

function alternativeNames({ subjectAltName }: X509Certificate, kind: 'DNS' | 'IP Address'): string[] {
  // Node.js writes a name with special characters as a JSON string, which may contain commas.
  const names = (subjectAltName ?? '').matchAll(/(DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...names].filter(([, found]) => found === kind).map(([, , name = '']) => name);
}
