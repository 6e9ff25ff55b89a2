import { type Bounds, boundsOf, type FaultKind, faultKinds } from './bounds.ts';
import { rules } from './rules.ts';

/** A part of the model that is explored by itself. */
export interface Scenario {
  readonly name: string;
  readonly bounds: Bounds;
}

const scenario = (name: string, changed: Partial<Bounds>): Scenario => ({ name, bounds: boundsOf(changed) });

/** With six ticks, a replica reads again within five after a missed watch event and one delay of a tick. */
const FINE = { settle: 6, lag: 5 } as const;
/** The same after two delays. */
const FINER = { settle: 8, lag: 7 } as const;
/** For faults that do not depend on how late a pass begins. */
const COARSE = { settle: 2, lag: 1, apiServers: 1 } as const;
const delays: readonly FaultKind[] = ['call-fails', 'slow-pass', 'cut-off'];
/** Clocks that differ by more than a settle time. */
const CLOCKS = { clocks: [0, 6, -6] } as const;

/** What the gate explores: rotations without faults, and with one of the faults for which it has the time. */
export const gateScenarios: readonly Scenario[] = [
  scenario('a rotation without faults', { faults: 0 }),
  scenario('a rotation without faults, in finer time', { ...FINE, faults: 0 }),
  scenario('a renewal and a rotation', { asks: ['serving', 'ca'], faults: 0 }),
  scenario('replicas without the Lease', { isLeaseHolder: false, faults: 0 }),
  scenario('three replicas and three API servers', { replicas: 3, apiServers: 3, faults: 0 }),
  ...(['crash', 'call-fails'] as const).map((kind) => scenario(kind, { kinds: [kind] })),
  scenario('slow-pass', { ...FINE, kinds: ['slow-pass'] }),
  scenario('an install that begins, and the Secret is deleted, in coarser time', {
    ...COARSE,
    start: 'empty',
    asks: [],
    kinds: ['secret-deleted'],
    exceptsStart: true,
  }),
];

/** @param kinds of all faults of a history. */
function needs(kinds: readonly FaultKind[]): Partial<Bounds> {
  const late = kinds.filter((kind) => delays.includes(kind)).length;
  return {
    ...[{}, FINE, FINER][late],
    ...(kinds.includes('clock-step') ? CLOCKS : {}),
    exceptsStart: kinds.includes('secret-deleted') || (kinds.length > 1 && kinds.includes('secret-restored')),
    exceptsDestruction: kinds.length > 1,
  };
}

/** Two cuts, one directly after the other, are a longer cut, and so is a cut after another delay. */
const pairKinds = faultKinds.filter((kind) => kind !== 'cut-off');
const pairs = pairKinds.flatMap((one, index) => pairKinds.slice(index).map((other) => [one, other] as const));

const gateNames = new Set(gateScenarios.map(({ name }) => name));

/** What is explored by hand: each fault, pairs of faults, an install that begins, and more replicas. */
export const deepScenarios: readonly Scenario[] = [
  ...gateScenarios,
  scenario('secret-restored, in coarser time', { ...COARSE, kinds: ['secret-restored'] }),
  scenario('an install that begins, and a rotation', { start: 'empty', faults: 0 }),
  scenario('two rotations', { asks: ['ca', 'ca'], faults: 0 }),
  scenario('call-fails, in finer time', { ...FINE, kinds: ['call-fails'] }),
  ...faultKinds
    .filter((kind) => !gateNames.has(kind))
    .map((kind) => scenario(kind, { ...needs([kind]), kinds: [kind] })),
  scenario('an install that begins, and a crash, a call that fails or a deleted registration', {
    start: 'empty',
    asks: [],
    kinds: ['crash', 'call-fails', 'registration-deleted'],
  }),
  scenario('an install that begins, and the Secret is deleted', {
    start: 'empty',
    asks: [],
    kinds: ['secret-deleted'],
    exceptsStart: true,
  }),
  scenario('cut-off for a quarter of the settle time', { ...FINER, longestCut: 2, kinds: ['cut-off'] }),
  scenario('three replicas, with a crash', { replicas: 3, kinds: ['crash'] }),
  scenario('three API servers, with a deleted Secret', {
    apiServers: 3,
    kinds: ['secret-deleted'],
    exceptsStart: true,
  }),
  // The bounds within which a rule is missed are free of violations with the rule.
  ...rules.map(({ name, bounds }) => ({ name: `with the rule: ${name}`, bounds })),
  ...pairs.map(([one, other]) =>
    scenario(`two faults: ${one} and ${other}`, {
      ...needs([one, other]),
      ...(one === other ? { kinds: [one], faults: 2 } : { kinds: [one, other], faults: 'each' }),
    }),
  ),
];
