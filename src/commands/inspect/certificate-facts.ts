import type { X509Certificate } from 'node:crypto';
import { issuedAt, parseCertificate } from '../../certs/x509.ts';

export interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly serial: string;
  /** Fingerprint. */
  readonly sha256: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Counts from the moment of issue, which is later than `notBefore`. */
  readonly lifetimeMs: number;
  /** 0 if the certificate has expired. */
  readonly leftMs: number;
}

/** Reads the first certificate of a PEM text. Returns `undefined` if no certificate can be read. */
export function certificateFacts(pem: string, now: Date): CertificateFacts | undefined {
  const certificate = parseCertificate(pem);
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
    lifetimeMs: end - issuedAt(certificate).getTime(),
    leftMs: Math.max(0, end - now.getTime()),
  };
}

/** Node.js writes a line for each attribute, and `undefined` for a name without attributes. */
const nameText = (name: string | undefined): string => (name ?? '').split('\n').join(', ');

function alternativeNames({ subjectAltName }: X509Certificate, kind: 'DNS' | 'IP Address'): string[] {
  // Node.js writes a name with special characters as a JSON string, which may contain commas.
  const names = (subjectAltName ?? '').matchAll(/(DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...names].filter(([, found]) => found === kind).map(([, , name = '']) => name);
}
