import type { Pem } from '../encodings.ts';

/** A certificate and the private key that belongs to it. */
export interface CertificatePair {
  readonly certificate: Pem;
  readonly privateKey: Pem;
}

/** What the endpoint needs: a pair to present, and the CA bundle that verifies it. */
export interface ServingCertificates {
  readonly serving: CertificatePair;
  /** Every certificate authority to be trusted, the one that signs first. */
  readonly caBundle: Pem;
}

/** What the Secret holds. */
export interface CertificateSet extends ServingCertificates {
  readonly ca: CertificatePair;
}

/** The names that a serving certificate is for: the first one is what the API server asks for. */
export interface ServerNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

export interface Subject {
  readonly commonName: string;
  readonly organizationalUnit: string;
  readonly organization: string;
  readonly country: string;
  readonly state: string;
  readonly locality: string;
}

/** How certificates are to be issued. Lifetimes count from the moment of issue. */
export interface CertificateOptions {
  readonly names: ServerNames;
  readonly caSubject: Subject;
  readonly servingSubject: Subject;
  readonly caLifetimeMs: number;
  readonly servingLifetimeMs: number;
  readonly keySize: number;
}

/** Certificates begin to be valid this long before they are issued, for clocks that are behind. */
export const BACKDATE_MS = 3_600_000;
