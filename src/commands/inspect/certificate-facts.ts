import type { X509Certificate } from 'node:crypto';
import { issuedAt, parseCertificate } from '../../certs/x509.ts';

export type CertificateFacts = NonNullable<ReturnType<typeof certificateFacts>>;

/** Reads the first certificate of a PEM text. Returns `undefined` if no certificate can be read. */
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
    /** Counts from the moment of issue, which is later than `notBefore`. */
    lifetimeMs: end - issuedAt(certificate).getTime(),
    leftMs: Math.max(0, end - now.getTime()),
  } as const;
}

/** Node.js writes a line for each attribute, and `undefined` for a name without attributes. */
const nameText = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');

function alternativeNames({ subjectAltName }: X509Certificate, kind: 'DNS' | 'IP Address'): string[] {
  // Node.js writes a name with special characters as a JSON string, which may contain commas.
  const names = (subjectAltName ?? '').matchAll(/(DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...names].filter(([, found]) => found === kind).map(([, , name = '']) => name);
}
