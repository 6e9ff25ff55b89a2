import { type Bounds, boundsOf, type FaultKind, faultKinds } from './bounds.ts';

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
const delays: readonly FaultKind[] = ['call-fails', 'slow-pass', 'cut-off'];
/** Clocks that differ by more than a settle time. */
const CLOCKS = { clocks: [0, 6, -6] } as const;

/** What the gate explores: everything that is not a fault, and the faults of a replica. */
export const gateScenarios: readonly Scenario[] = [
  scenario('a rotation without faults', { faults: 0 }),
  scenario('a rotation without faults, in finer time', { ...FINE, faults: 0 }),
  scenario('an install that begins, and a rotation', { start: 'empty', faults: 0, exceptsStart: false }),
  scenario('two rotations', { asks: ['ca', 'ca'], faults: 0 }),
  scenario('a renewal and a rotation', { asks: ['serving', 'ca'], faults: 0 }),
  scenario('replicas without the Lease', { isLeaseHolder: false, faults: 0 }),
  scenario('three replicas and three API servers', { replicas: 3, apiServers: 3, faults: 0 }),
  ...(['crash', 'call-fails', 'secret-restored'] as const).map((kind) => scenario(kind, { kinds: [kind] })),
  scenario('slow-pass', { ...FINE, kinds: ['slow-pass'] }),
];

const needs = (kinds: readonly FaultKind[], faults: number): Partial<Bounds> => ({
  ...(kinds.some((kind) => delays.includes(kind)) ? (faults > 1 ? FINER : FINE) : {}),
  ...(kinds.includes('clock-step') ? CLOCKS : {}),
});

/** The third known limit: if the Secret and the CA bundle are destroyed together, nothing is left of the trust. */
const destroys = (one: FaultKind, other: FaultKind): boolean =>
  one.startsWith('secret-') && ['bundle-emptied', 'registration-deleted'].includes(other);

const pairs = faultKinds
  .flatMap((one, index) => faultKinds.slice(index).map((other) => [one, other] as const))
  .filter(([one, other]) => !destroys(one, other));

/** What is explored by hand: each fault, each pair of faults, an install that begins, and more replicas. */
export const deepScenarios: readonly Scenario[] = [
  ...gateScenarios,
  ...faultKinds.map((kind) => scenario(kind, { ...needs([kind], 1), kinds: [kind] })),
  scenario('an install that begins, with a fault', {
    start: 'empty',
    asks: [],
    kinds: ['crash', 'call-fails', 'secret-deleted', 'registration-deleted'],
  }),
  scenario('three replicas, with a crash', { replicas: 3, kinds: ['crash'] }),
  scenario('three API servers, with a deleted Secret', { apiServers: 3, kinds: ['secret-deleted'] }),
  ...pairs.map(([one, other]) => {
    const kinds = one === other ? [one] : [one, other];
    return scenario(`two faults: ${one} and ${other}`, { ...needs(kinds, 2), kinds, faults: 2 });
  }),
];
