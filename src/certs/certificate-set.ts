import type { Pem } from '../lib/pem.ts';

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

/**
 * Where a rotation stands. Each phase ends by what can be read from the Secret, the live registration and the clock,
 * so any replica takes the next step, also after a crash.
 *
 * - `stable`: nothing is under way.
 * - `publishing`: a new certificate authority is in the Secret, and has to come into the live CA bundle.
 * - `settling`: it was read back from there; API servers in HA are given time to see it too.
 * - `retiring`: certificates of the new authority are presented; the old one leaves the bundle once nobody can still
 *   present one of its own.
 */
export const phases = ['stable', 'publishing', 'settling', 'retiring'] as const;

export type Phase = (typeof phases)[number];

/** What the Secret holds. */
export interface CertificateSet extends ServingCertificates {
  /** The authority that has signed the serving certificate. */
  readonly ca: CertificatePair;
  /** The authority that signs next. Until then it is published beside the current one. */
  readonly nextCa: CertificatePair | undefined;
  readonly phase: Phase;
  /** When the phase began; `undefined` where that cannot be read. */
  readonly phaseSince: Date | undefined;
}

/** The names that a serving certificate is for: the first one is what the API server asks for. */
export interface ServerNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

export interface SubjectAttribute {
  readonly type: 'CN' | 'OU' | 'O' | 'L' | 'ST' | 'C';
  readonly value: string;
}

/** A distinguished name in the order of the certificate, which as a rule begins with the country. */
export type Subject = readonly SubjectAttribute[];

/** How certificates are to be issued and rotated. Lifetimes count from the moment of issue. */
export interface CertificateOptions {
  readonly names: ServerNames;
  readonly caSubject: Subject;
  readonly servingSubject: Subject;
  readonly caLifetimeMs: number;
  readonly servingLifetimeMs: number;
  readonly keySize: number;
  /** How long a CA bundle that was read back takes, at the most, until every API server verifies with it. */
  readonly settleMs: number;
}

/** Certificates begin to be valid this long before they are issued, for clocks that are behind. */
export const BACKDATE_MS = 3_600_000;
