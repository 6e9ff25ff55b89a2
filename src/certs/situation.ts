import type { Pem } from '../lib/pem.ts';

/** The inputs of a decision about a certificate set, other than the set itself. */
export interface Situation {
  readonly now: Date;
  /** Serving certificates issued before this moment are renewed (`--rotate-on-start`). */
  readonly restartedAt?: Date | undefined;
  /** The CA bundle in the live webhook configuration, with which API servers verify serving certificates. */
  readonly liveBundle?: Pem | undefined;
  /** The certificate that the endpoint of this replica presents. */
  readonly presented?: Pem | undefined;
  /** The private key of `presented`; `undefined` if only the certificate is known. */
  readonly presentedKey?: Pem | undefined;
  /**
   * Milliseconds since this process first read the set in its current phase. Another machine may have written
   * `phaseSince`, with a clock that is ahead or behind. Without this value, only `phaseSince` counts.
   */
  readonly phaseSeenMs?: number | undefined;
}
