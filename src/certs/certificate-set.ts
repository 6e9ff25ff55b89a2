import type { Pem } from '../lib/pem.ts';

/** A certificate and the private key that belongs to it. */
export interface CertificatePair {
  readonly certificate: Pem;
  readonly privateKey: Pem;
}

/** The certificate and key that the endpoint presents, and the CA bundle that verifies the certificate. */
export interface ServingCertificates {
  readonly serving: CertificatePair;
  /** Every trusted CA. In a bundle that the daemon wrote, the first CA signs the serving certificates. */
  readonly caBundle: Pem;
}

/**
 * The phases of a CA rotation. Any replica can take the next step, also after a crash, because the Secret holds the
 * phase and its start.
 *
 * - `stable`: no rotation is under way.
 * - `publishing`: a new CA is in the Secret, and must be added to the live CA bundle.
 * - `settling`: the live CA bundle holds the new CA; every API server needs time to load that bundle.
 * - `retiring`: the new CA signs the serving certificates; the old CA leaves the bundle after the settle time.
 */
export const phases = ['stable', 'publishing', 'settling', 'retiring'] as const;

export type Phase = (typeof phases)[number];

/** The certificates, keys and rotation state in the Secret. */
export interface CertificateSet extends ServingCertificates {
  /** The CA that signs serving certificates. */
  readonly ca: CertificatePair;
  /** The CA that signs after the switch. Before the switch it is in the CA bundle beside the current CA. */
  readonly nextCa: CertificatePair | undefined;
  /**
   * The previous serving certificate, kept after an unplanned replacement of the CA. API servers trust it while they
   * may not trust `ca` yet. A replica that starts before the switch can present it.
   */
  readonly former: CertificatePair | undefined;
  readonly phase: Phase;
  /** When the phase began; `undefined` if the annotation is missing or invalid. */
  readonly phaseSince: Date | undefined;
}

/** The names in a serving certificate. The API server verifies the first DNS name; without DNS names, the first IP. */
export interface ServerNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

export interface SubjectAttribute {
  readonly type: 'CN' | 'OU' | 'O' | 'L' | 'ST' | 'C';
  readonly value: string;
}

/** A distinguished name, in the order in which the certificate encodes it. */
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
   * The time that every API server gets to load a published CA bundle. After the switch, the previous CA stays in the
   * CA bundle for the same time.
   *
   * The default is 60 s. In a test run in which a connection of a replica to the API server was half-open for 33 s, 13
   * of 6,142 Jobs were stored uncapped with a settle time of 10 s. No Job was with 30 s.
   */
  readonly settleMs: number;
}

/** How long before its issue a certificate becomes valid (1 h), for API servers whose clock is behind. */
export const BACKDATE_MS = 3_600_000;
