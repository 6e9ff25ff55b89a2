import type { CertificatePair, ServingCertificates } from '../certs/certificate-set.ts';
import type { StoredSecret } from '../certs/secret.ts';
import type { Pem } from '../lib/pem.ts';
import type { RepairHistory } from '../lib/repair-limiter.ts';
import type { RegistrationFindings } from '../registration/registration-step.ts';

/**
 * The certificates that the daemon publishes and presents: as last read, if valid, else the last valid certificates.
 */
export interface CurrentCertificates extends ServingCertificates {
  /**
   * The CA certificates in the Secret or in the user-provided files. CAs that only the live CA bundle has are not among
   * them, although `caBundle` can contain them.
   */
  readonly own: Pem;
  /** The CA of the serving certificate, while some API servers may not trust it: it is new, or an older one is back. */
  readonly waiting: Pem | undefined;
  /**
   * An older serving certificate with its private key. A starting replica presents it instead of `serving` if the live
   * CA bundle verifies it, and API servers may not trust the CA of `serving` yet.
   */
  readonly former?: CertificatePair | undefined;
  /** When the next certificate step is due. */
  readonly until: Date | undefined;
}

/** State that one pass hands to the next. A restarted daemon works without it. */
export interface Memory {
  /** If set, serving certificates issued before this moment are renewed. */
  readonly restartedAt: Date | undefined;
  /** The certificate that the endpoint presents; `undefined` until the first pass presents one. */
  readonly presented?: Pem | undefined;
  /** The private key of `presented`. */
  readonly presentedKey?: Pem | undefined;
  /** The CA bundle that was last read back from the API server. */
  readonly liveBundle?: Pem | undefined;
  /** The last certificates that could be presented, used if newer ones cannot be read. */
  readonly lastGood?: CurrentCertificates | undefined;
  /**
   * The Secret as last read, if it is immutable or has the wrong type. To change such a Secret, the daemon deletes it
   * and creates it again. Until the new Secret exists, only this process has the content.
   */
  readonly kept?: StoredSecret | undefined;
  /** Whether the paused annotation was set when the Secret was last read. */
  readonly isPaused: boolean;
  /** The rotation phase in the Secret, and the uptime of this process when it first read that phase. */
  readonly phaseSeen?: { readonly key: string; readonly sinceMs: number } | undefined;
  /**
   * A fingerprint of the last webhook settings that this replica published or found published, for each scope: the
   * `whole` webhook or only its CA bundle (`trust`). If the desired settings still have this fingerprint and the live
   * settings differ, another writer has changed them.
   */
  readonly published: Readonly<Partial<Record<RegistrationFindings['scope'], string | undefined>>>;
  readonly repairs: Readonly<Record<'secret' | 'registration', RepairHistory | undefined>>;
}

export const initialMemory = (restartedAt: Date | undefined): Memory => ({
  restartedAt,
  isPaused: false,
  published: {},
  repairs: { secret: undefined, registration: undefined },
});
