import { PHASE, ROTATE } from '../../src/certs/secret-annotations.ts';
import { readConfig } from '../../src/cli/config.ts';
import type { Bounds } from './bounds.ts';
import { createOutsideSteps } from './outside-steps.ts';
import { createReplicas, isInPass, type Replica } from './replica.ts';
import { createReplicaSteps } from './replica-steps.ts';
import { canonical, createStates, type State, type Step } from './state.ts';
import { createSymbols, FOREIGN } from './symbols.ts';
import { createTimeSteps } from './time-steps.ts';

const SETTLE_MS = 60_000;

export type World = Awaited<ReturnType<typeof createWorld>>;

/** Returns the model: its first state, and the steps that are possible in a state. */
export async function createWorld(bounds: Bounds) {
  const tickMs = SETTLE_MS / bounds.settle;
  // The restart of a process renews no certificate, because the certificates of the model have no age.
  const read = readConfig({ 'settle-time': `${SETTLE_MS / 1000}s`, 'rotate-on-start': 'false' });
  const config = { ...read, certificates: { ...read.certificates, keySize: 1024 } };
  const symbols = createSymbols({ options: config.certificates, tickMs });
  await symbols.pair(FOREIGN);
  const replicas = await createReplicas({ ...bounds, config, symbols, tickMs });
  const states = createStates(bounds);
  const { table, replicaAt, registrationOf, secretOf, withReplica } = states;
  const replicaSteps = createReplicaSteps(bounds, { states, symbols, replicas });
  const { apiServerSteps, userSteps, backupSteps, outsideSteps } = createOutsideSteps(bounds, states);
  const timeSteps = createTimeSteps(bounds, states);

  async function steps(state: State): Promise<Step[]> {
    const found: Step[] = [];
    for (const index of state.replicas.keys()) found.push(...(await replicaSteps(state, index)));
    found.push(...apiServerSteps(state), ...userSteps(state), ...backupSteps(state));
    found.push(...outsideSteps(state), ...timeSteps(state));
    return found;
  }

  /**
   * Returns the next state of a schedule that is fair and slow: nothing fails any more and no user asks; a replica that
   * does not run starts, API servers load the registration, and a pass begins when it is due, without watch events.
   */
  async function fairStep(state: State): Promise<State | undefined> {
    const calm = { ...state, faults: 0 };
    const all = state.replicas.map((_, index) => ({ index, replica: replicaAt(state, index) }));
    const stuck = all.find(({ replica }) => replica === null || replica.cutFor !== undefined);
    if (stuck) return withReplica(state, stuck.index, freed(stuck.replica));
    const busy = all.find(({ replica }) => isInPass(replica) || replica?.dueIn === 0);
    const [step] = [...apiServerSteps(calm), ...(busy ? await replicaSteps(calm, busy.index) : timeSteps(calm))];
    return step && { ...step.state, faults: state.faults };
  }
  const freed = (replica: Replica | null): Replica => {
    if (replica === null) return replicas.started(0);
    const { cutFor, ...reached } = replica;
    return { ...reached, reads: {} };
  };

  /** Whether one CA is trusted and used everywhere, and nothing is left to do. */
  function isAtRest(state: State): boolean {
    const secret = secretOf(state);
    const { versions } = registrationOf(state);
    if (secret === null || versions.length > 1) return false;
    const { annotations, data } = secret;
    return (
      annotations[PHASE] === 'stable' &&
      annotations[ROTATE] === undefined &&
      versions[0]?.bundle === JSON.stringify(data['ca.crt']) &&
      state.replicas.keys().every((index) => replicaAt(state, index)?.presented === data['tls.crt'])
    );
  }

  async function first(): Promise<State> {
    let state = states.empty;
    if (bounds.start === 'empty') return canonicalOf(state);
    while (!isAtRest(state)) state = (await fairStep(state)) ?? state;
    // Until the last replica runs, and every replica has known the state of the Secret for the settle time.
    for (let count = 0; count < 200; count += 1) state = (await fairStep(state)) ?? state;
    return canonicalOf(state);
  }
  const canonicalOf = (state: State): State => canonical(state, table);
  return { bounds, first, steps, fairStep, isAtRest, canonicalOf, secretOf, replicaAt, registrationOf };
}
