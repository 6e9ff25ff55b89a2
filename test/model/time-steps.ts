import type { Bounds } from './bounds.ts';
import { isInPass, type Replica } from './replica.ts';
import type { State, States, Step } from './state.ts';
import { oneTickLater } from './symbols.ts';

/** Returns the function for the step of time. */
export function createTimeSteps(bounds: Bounds, states: States) {
  const { table, put, replicaAt, registrationOf, may, fault } = states;
  // Two settle times by two clocks that differ are over when this time is.
  const ages = { oldest: bounds.settle + 2 + 2 * Math.max(0, ...bounds.clocks.map(Math.abs)), settle: bounds.settle };

  /** Time goes on by a tick if nothing must happen before. */
  function timeSteps(state: State): Step[] {
    const registration = table.derived(state.registration, 'tick', () => laterRegistration(state));
    const replicas = state.replicas.map((id, index) => table.derived(id, 'tick', () => laterReplica(state, index)));
    if (registration === undefined || !replicas.every((id) => id !== undefined)) return [];
    const secret = table.derived(state.secret, 'tick', () => table.id(oneTickLater(table.text(state.secret), ages)));
    const later = { ...state, secret: secret as number, registration, replicas };
    const slow = state.replicas.flatMap((_, index) =>
      isInPass(replicaAt(state, index)) ? ['slow-pass' as const] : [],
    );
    if (slow.length === 0) return [{ label: 'a tick of time', state: later }];
    return may(state, ...slow) ? [{ label: 'a tick of time, during a pass', state: fault(later, ...slow) }] : [];
  }
  function laterRegistration(state: State): number | undefined {
    const { versions, at } = registrationOf(state);
    const last = versions.length - 1;
    if (versions.some(({ age }, index) => index < last && age >= bounds.lag && at.includes(index))) return undefined;
    return put({ versions: versions.map((one, index) => ({ ...one, age: index < last ? one.age + 1 : 0 })), at });
  }
  function laterReplica(state: State, index: number): number | undefined {
    const replica = replicaAt(state, index);
    if (replica === null) return state.replicas[index];
    const { dueIn, patience, cutFor, begunFor } = replica;
    const isSlow = isInPass(replica);
    if ((isSlow ? patience : dueIn) === 0 || (cutFor ?? 0) >= bounds.longestCut) return undefined;
    const later = JSON.parse(oneTickLater(JSON.stringify(replica), ages)) as Replica;
    return put({
      ...later,
      ...(isSlow ? { patience: patience - 1 } : { dueIn: dueIn - 1 }),
      cutFor: oneMore(cutFor, bounds.longestCut),
      begunFor: oneMore(begunFor, bounds.settle),
    });
  }
  return timeSteps;
}

/** Returns the number of ticks one tick later; `undefined` after the last one. */
const oneMore = (ticks: number | undefined, last: number): number | undefined =>
  ticks === undefined || ticks >= last ? undefined : ticks + 1;
