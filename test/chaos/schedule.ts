import { type Random, randomOf } from './random.ts';

/**
 * Destination of the log of a replica after its next start: a pipe with a reader, a full disk, or a pipe without a
 * reader.
 */
export type LogTo = 'reader' | 'full-disk' | 'unread-pipe';

export type Signal = 'SIGTERM' | 'SIGKILL';

/** One random fault of the chaos test. Replicas and API servers are numbered from 0. */
export type Fault =
  | { readonly kind: 'replica-end'; readonly replica: number; readonly signal: Signal; readonly log: LogTo }
  | { readonly kind: 'all-replicas-end'; readonly signal: Signal; readonly log: LogTo }
  | { readonly kind: 'replica-frozen'; readonly replica: number }
  | { readonly kind: 'clock-jump'; readonly replica: number; readonly bySeconds: number }
  | { readonly kind: 'link-cut' | 'link-half-open'; readonly replica: number }
  | { readonly kind: 'api-restart'; readonly server: number; readonly signal: Signal }
  | { readonly kind: 'api-paused' | 'api-slow' | 'watches-gone'; readonly server: number }
  | { readonly kind: 'etcd-restart'; readonly signal: Signal }
  | { readonly kind: 'secret-damaged' | 'registration-damaged'; readonly damage: string }
  | { readonly kind: 'rotation-asked'; readonly part: 'ca' | 'serving' };

export type FaultKind = Fault['kind'];

/** A fault with its start time and its duration. */
export type Action = Fault & { readonly atMs: number; readonly forMs: number };

export interface ScheduleOptions {
  readonly lengthMs: number;
  readonly replicas: number;
  readonly servers: number;
  readonly secretDamages: readonly string[];
  readonly registrationDamages: readonly string[];
  /** Whether the tests can set the clock of a process on this machine (needs libfaketime). */
  readonly canJump: boolean;
}

/**
 * How often each fault occurs in one cycle of the schedule. A cycle contains each fault this many times in random
 * order. Faults that use much CPU time are rare.
 */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  'replica-end': 5,
  'all-replicas-end': 2,
  'replica-frozen': 3,
  'clock-jump': 3,
  'link-cut': 2,
  'link-half-open': 2,
  'api-restart': 2,
  'api-paused': 2,
  'api-slow': 2,
  'watches-gone': 1,
  'etcd-restart': 1,
  'secret-damaged': 6,
  'registration-damaged': 5,
  'rotation-asked': 2,
};

/** Minimum and maximum duration of each fault in ms; 0 if the fault has no set duration. */
const LASTS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  'replica-end': [0, 2_000],
  'all-replicas-end': [0, 2_000],
  'replica-frozen': [500, 9_000],
  'clock-jump': [0, 0],
  'link-cut': [500, 6_000],
  'link-half-open': [2_000, 40_000],
  'api-restart': [0, 1_000],
  'api-paused': [500, 5_000],
  'api-slow': [2_000, 8_000],
  'watches-gone': [0, 0],
  'etcd-restart': [0, 1_000],
  'secret-damaged': [0, 0],
  'registration-damaged': [0, 0],
  'rotation-asked': [0, 0],
};

const GAP_MS = [1_500, 5_000] as const;
const LONGEST_JUMP_S = 600;

/** Returns the faults of a run. The same seed and options give the same faults. */
export function scheduleOf(seed: number, options: ScheduleOptions): readonly Action[] {
  const random = randomOf(seed);
  const kinds = Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array<FaultKind>(weight).fill(kind as FaultKind));
  const nextKind = random.bag(kinds.filter((kind) => kind !== 'clock-jump' || options.canJump));
  const nextFault = faultsOf(random, options);
  const actions: Action[] = [];
  for (let atMs = 0; ; ) {
    atMs += Math.round(random.between(...GAP_MS));
    const fault = nextFault(nextKind());
    const [shortest, longest] = LASTS[fault.kind];
    const forMs = Math.round(random.between(shortest, longest));
    if (atMs + forMs > options.lengthMs) return actions;
    actions.push({ ...fault, atMs, forMs });
  }
}

function faultsOf(random: Random, options: ScheduleOptions): (kind: FaultKind) => Fault {
  const nextSecretDamage = random.bag(options.secretDamages);
  const nextRegistrationDamage = random.bag(options.registrationDamages);
  const nextLog = random.bag<LogTo>(['reader', 'reader', 'full-disk', 'unread-pipe']);
  const replica = () => Math.floor(random.between(0, options.replicas));
  const server = () => Math.floor(random.between(0, options.servers));
  const signal = () => random.pick<Signal>(['SIGTERM', 'SIGKILL']);
  return (kind) => {
    switch (kind) {
      case 'replica-end':
        return { kind, replica: replica(), signal: signal(), log: nextLog() };
      case 'all-replicas-end':
        return { kind, signal: signal(), log: nextLog() };
      case 'replica-frozen':
      case 'link-cut':
      case 'link-half-open':
        return { kind, replica: replica() };
      case 'clock-jump':
        return { kind, replica: replica(), bySeconds: Math.round(random.between(-LONGEST_JUMP_S, LONGEST_JUMP_S)) };
      case 'api-restart':
        return { kind, server: server(), signal: signal() };
      case 'api-paused':
      case 'api-slow':
      case 'watches-gone':
        return { kind, server: server() };
      case 'etcd-restart':
        return { kind, signal: signal() };
      case 'secret-damaged':
        return { kind, damage: nextSecretDamage() };
      case 'registration-damaged':
        return { kind, damage: nextRegistrationDamage() };
      case 'rotation-asked':
        return { kind, part: random.pick(['ca', 'serving'] as const) };
    }
  };
}

/** Returns a fault as one line for the output of a run. */
export function describeAction({ atMs, forMs, kind, ...rest }: Action): string {
  const details = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  const lasting = forMs > 0 ? [`${(forMs / 1_000).toFixed(1)} s`] : [];
  return `${(atMs / 1_000).toFixed(1).padStart(7)} s  ${[kind, ...details, ...lasting].join(', ')}`;
}
