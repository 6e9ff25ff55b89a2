import type { ServingCertificates } from '../certs/certificate-set.ts';
import type { Pem } from '../lib/pem.ts';
import type { RepairHistory } from '../lib/repair-limiter.ts';
import type { RegistrationFindings } from '../registration/registration-step.ts';

/** The certificates that the registration and the endpoint go by: those that were read, or the last good ones. */
export interface CurrentCertificates extends ServingCertificates {
  /** The part of the bundle that is ours, whatever others have put beside it. */
  readonly own: Pem;
  /** The CA of the serving certificate, while it is new and waits for every API server to know it. */
  readonly waiting: Pem | undefined;
  /** When the next step is due, if nothing happens before. */
  readonly until: Date | undefined;
}

/** What a pass knows of the passes before it. Nothing of it is needed after a restart. */
export interface Memory {
  /** If set, serving certificates issued before this moment are renewed. */
  readonly restartedAt: Date | undefined;
  /** The certificate that the endpoint presents; before the first one no call succeeds. */
  readonly presented?: Pem | undefined;
  /** The CA bundle that was last read back from the API server. */
  readonly liveBundle?: Pem | undefined;
  /** The last certificates that were fit to be presented, for when newer ones cannot be read. */
  readonly lastGood?: CurrentCertificates | undefined;
  /** Whether the Secret forbade writes when it was last read. */
  readonly isPaused: boolean;
  /** The phase of the Secret, and since when on this process's own clock. */
  readonly phaseSeen?: { readonly key: string; readonly sinceMs: number } | undefined;
  /**
   * The fingerprint of what this replica last published in each scope: another writer has made a difference from it. A
   * replica without the Lease restores a deleted entry as a whole, and then publishes trust alone.
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
