/** A fault. */
export const faultKinds = [
  'crash',
  'call-fails',
  'slow-pass',
  'cut-off',
  'clock-step',
  'secret-deleted',
  'secret-restored',
  'bundle-emptied',
  'foreign-ca',
  'registration-deleted',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** What the model explores. Time counts in ticks; `settle` ticks are the settle time. */
export interface Bounds {
  readonly replicas: number;
  readonly apiServers: number;
  /** `empty`: an install without Secret and registration. `rest`: all replicas run, and nothing is left to do. */
  readonly start: 'empty' | 'rest';
  /** The values that users give to the annotation `rotate` in one history, in this order. */
  readonly asks: readonly ('ca' | 'serving')[];
  /** Maximum number of faults in one history; `each`: each kind can happen once. */
  readonly faults: number | 'each';
  readonly kinds: readonly FaultKind[];
  readonly settle: number;
  /** Ticks after which each API server has loaded a change of the registration. */
  readonly lag: number;
  /** Ticks after which a replica that is cut off reaches the API servers again. */
  readonly longestCut: number;
  /** By how many ticks the clock of one replica can be ahead. */
  readonly clocks: readonly number[];
  /** Whether each replica acts as the holder of the Lease, or none does. */
  readonly isLeaseHolder: boolean;
  /**
   * Whether a replica is excepted that starts after the loss of a CA, and has only a certificate of the new CA to
   * present: until the settle time has passed, API servers may refuse it.
   */
  readonly exceptsStart: boolean;
  /**
   * Whether the Secret and the CA bundle are never destroyed together: of each CA that a called replica needs, other
   * writers leave one of the two.
   */
  readonly exceptsDestruction: boolean;
}

const usual: Bounds = {
  replicas: 2,
  apiServers: 2,
  start: 'rest',
  asks: ['ca'],
  faults: 1,
  kinds: [],
  settle: 4,
  lag: 3,
  longestCut: 1,
  clocks: [0],
  isLeaseHolder: true,
  exceptsStart: false,
  exceptsDestruction: false,
};

export const boundsOf = (changed: Partial<Bounds> = {}): Bounds => ({ ...usual, ...changed });
