import type { Pem } from '../lib/pem.ts';

/** One observation of the world around a certificate set: what the decisions depend on beside the set. */
export interface Situation {
  readonly now: Date;
  /** Serving certificates issued before this moment are renewed; set if a restart asks for that. */
  readonly restartedAt?: Date | undefined;
  /** The CA bundle that API servers verify with. A rotation waits for it, and other replicas may present what it trusts. */
  readonly liveBundle?: Pem | undefined;
  /** The certificate that the endpoint of this replica presents: it must not lose its trust before it is swapped. */
  readonly presented?: Pem | undefined;
  /**
   * For how long this process has seen the set in its phase. `phaseSince` was written by the clock of another machine,
   * which may be ahead or behind; without this value, `phaseSince` alone is trusted.
   */
  readonly phaseSeenMs?: number | undefined;
}
