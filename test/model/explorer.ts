import { violationOf } from './invariants.ts';
import { keyOf, type State } from './state.ts';
import type { World } from './world.ts';

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Number of steps to the state that needs most. */
  readonly depth: number;
  /** Whether every state was visited that is reachable within the bounds. */
  readonly isComplete: boolean;
  /** Why the exploration has ended early: an invariant that does not hold, and the shortest history to it. */
  readonly violation?: { readonly what: string; readonly history: readonly string[] } | undefined;
}

/** Steps after which a fair schedule must have reached rest. A CA rotation takes about a hundred. */
const MOST_STEPS_TO_REST = 1_000;

/**
 * Visits every state that is reachable within the bounds, breadth first, so that the first violation has the shortest
 * history. Then checks that a fair schedule leads from each of them to rest.
 *
 * @param mostStates where to give up.
 */
export async function explore(world: World, mostStates = Number.POSITIVE_INFINITY): Promise<Exploration> {
  const start = await world.first();
  const states: State[] = [start];
  const parents: number[] = [-1];
  const depths: number[] = [0];
  const visited = new Set([keyOf(start)]);
  let transitions = 0;
  const counts = () => ({ states: states.length, transitions, depth: depths.at(-1) ?? 0 });
  const historyTo = async (what: string, index: number): Promise<Exploration> => {
    const path: State[] = [];
    for (let at = index; at > 0; at = parents[at] as number) path.unshift(states[at] as State);
    return { ...counts(), isComplete: false, violation: { what, history: await replay(world, start, path) } };
  };
  for (let index = 0; index < states.length; index += 1) {
    const state = states[index] as State;
    const violation = violationOf(world, state);
    if (violation !== undefined) return historyTo(violation, index);
    if (states.length >= mostStates) return { ...counts(), isComplete: false };
    for (const step of await world.steps(state)) {
      transitions += 1;
      const next = world.canonicalOf(step.state);
      const key = keyOf(next);
      if (visited.has(key)) continue;
      visited.add(key);
      states.push(next);
      parents.push(index);
      depths.push((depths[index] as number) + 1);
    }
  }
  const restless = await firstRestless(world, states);
  if (restless !== undefined) return historyTo('a fair schedule does not lead from here to rest with one CA', restless);
  return { ...counts(), isComplete: true };
}

/** Returns the index of the first state from which a fair schedule does not lead to rest. */
async function firstRestless(world: World, states: readonly State[]): Promise<number | undefined> {
  const leading = new Set<string>();
  for (const [index, state] of states.entries()) {
    const path: string[] = [];
    let current: State | undefined = state;
    while (!leading.has(keyOf(current)) && !world.isAtRest(current)) {
      path.push(keyOf(current));
      const next: State | undefined = await world.fairStep(current);
      if (next === undefined || path.length > MOST_STEPS_TO_REST) return index;
      current = world.canonicalOf(next);
    }
    for (const key of path) leading.add(key);
  }
  return undefined;
}

/** Returns the steps of a history, in which each replica keeps its number. */
async function replay(world: World, start: State, path: readonly State[]): Promise<string[]> {
  const labels: string[] = [];
  let current = start;
  for (const target of path) {
    const key = keyOf(target);
    const step = (await world.steps(current)).find(({ state }) => keyOf(world.canonicalOf(state)) === key);
    if (step === undefined) throw new Error(`no step leads to the next state after:\n${labels.join('\n')}`);
    labels.push(step.label);
    current = step.state;
  }
  return labels;
}
