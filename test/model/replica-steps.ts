import type { Issuer } from '../../src/certs/issue.ts';
import type { Bounds } from './bounds.ts';
import { type createReplicas, type Fate, fates, type Objects, type Replica, type Turn } from './replica.ts';
import { partsOf, refuses, type State, type States, type Step } from './state.ts';
import type { Symbols } from './symbols.ts';

/** What the steps of replicas are made of. */
export interface ReplicaParts {
  readonly states: States;
  readonly symbols: Symbols;
  readonly replicas: Awaited<ReturnType<typeof createReplicas>>;
}

/** Returns the function for the steps of one replica: a start, a read, the end of a turn, and its faults. */
export function createReplicaSteps(bounds: Bounds, { states, symbols, replicas }: ReplicaParts) {
  const { table, replicaAt, registrationOf, objectsOf, withReplica, written, may, fault } = states;
  const { started, act, order } = replicas;

  /** Returns the symbols of the next CA and of the next serving certificates: the first that the state does not have. */
  function unused(state: State) {
    const used = new Set(partsOf(state).flatMap((id) => table.symbols(id)));
    const letters = new Set([...used].map((symbol) => symbol.charAt(1)));
    const letter = [...'ABCDEFGHIJKLMNOPQRSTUVW'].find((one) => !letters.has(one));
    const serving = (authority: string): string => {
      let nth = 1;
      while (used.has(`${authority}${nth}`)) nth += 1;
      return `${authority}${nth}`;
    };
    return { authority: `@${letter}`, serving, key: [...letters, letter].map((one) => serving(`@${one}`)).join('') };
  }

  const turns = new Map<string, Turn>();
  async function turn(state: State, index: number, fates: readonly Fate[]): Promise<Turn> {
    const objects = objectsOf(state);
    const free = unused(state);
    const key = [state.replicas[index], state.secret, objects.registration, fates, free.key].join();
    const known = turns.get(key);
    if (known) return known;
    // A symbol that was only ever renamed to has no certificate yet.
    const named = partsOf(state).flatMap((id) => table.symbols(id));
    await Promise.all(named.map((symbol) => symbols.pair(symbol)));
    const issuer: Issuer = {
      authority: () => symbols.pair(free.authority),
      serving: (_, { certificate }) => symbols.pair(free.serving(symbols.symbolOf(certificate))),
    };
    const result = await act(replicaAt(state, index) as Replica, objects, { fates, issuer });
    turns.set(key, result);
    return result;
  }

  async function replicaSteps(state: State, index: number): Promise<Step[]> {
    const replica = replicaAt(state, index);
    if (replica === null) return startSteps(state, index);
    const next = order.find((object) => replica.reads[object] === undefined);
    if (next === undefined) return turnSteps(state, index, replica);
    const steps = readSteps(state, index, { replica, next });
    const isBetweenPasses = Object.keys(replica.reads).length === 0;
    return isBetweenPasses ? [...steps, ...idleSteps(state, index, replica)] : steps;
  }
  const nameOf = (index: number) => `replica ${index + 1}`;

  function startSteps(state: State, index: number): Step[] {
    const clocks = index === 0 ? bounds.clocks : [0];
    return clocks.map((clock) => ({
      label: `${nameOf(index)} starts${clock === 0 ? '' : `, with a clock that is ${clock} ticks ahead`}`,
      state: withReplica(state, index, started(clock)),
    }));
  }

  interface NextRead {
    readonly replica: Replica;
    readonly next: keyof Objects;
  }
  function readSteps(state: State, index: number, { replica, next }: NextRead): Step[] {
    const what = next === 'secret' ? 'Secret' : 'registration';
    const { reads, cutFor, dueIn } = replica;
    const failed = { text: null, isCurrent: true, hasFailed: true };
    // Without the registration, the daemon does not read the Secret.
    const left = next === 'registration' ? { registration: failed, secret: failed } : { secret: failed };
    const failing = withReplica(state, index, { ...replica, reads: { ...reads, ...left } });
    const label = `${nameOf(index)} cannot read the ${what}`;
    // No watch event reaches a replica that is cut off, so its pass begins when it is due.
    if (cutFor !== undefined) return dueIn > 0 && Object.keys(reads).length === 0 ? [] : [{ label, state: failing }];
    const done = { text: objectsOf(state)[next], isCurrent: true };
    return [
      {
        label: `${nameOf(index)} reads the ${what}`,
        state: withReplica(state, index, { ...replica, reads: { ...reads, [next]: done } }),
      },
      ...(may(state, 'call-fails') ? [{ label, state: fault(failing, 'call-fails') }] : []),
    ];
  }

  /** Steps between two passes. A crash during a pass, before its write, is the same as a crash before the pass. */
  function idleSteps(state: State, index: number, replica: Replica): Step[] {
    const name = nameOf(index);
    const { cutFor, ...reached } = replica;
    const steps: Step[] = [];
    if (cutFor !== undefined) {
      // The watches begin again within a tick, and report what has changed meanwhile.
      const next = { ...reached, dueIn: Math.min(replica.dueIn, 1) };
      steps.push({ label: `${name} reaches the API servers again`, state: withReplica(state, index, next) });
    } else if (may(state, 'cut-off')) {
      const next = fault(withReplica(state, index, { ...replica, cutFor: 0 }), 'cut-off');
      steps.push({ label: `${name} is cut off from the API servers`, state: next });
    }
    if (may(state, 'crash')) {
      steps.push({ label: `${name} crashes`, state: fault(withReplica(state, index, null), 'crash') });
    }
    const clocks = may(state, 'clock-step') ? bounds.clocks.filter((clock) => clock !== replica.clock) : [];
    for (const clock of clocks) {
      const next = fault(withReplica(state, index, { ...replica, clock }), 'clock-step');
      steps.push({ label: `the clock of ${name} is set ${clock} ticks ahead`, state: next });
    }
    return steps;
  }

  /** Returns the replica, marked if it becomes ready with a certificate that an API server refuses now or may refuse later. */
  function begun(state: State, before: Replica, after: Replica | null): Replica | null {
    if (!bounds.exceptsStart || before.isCalled || !after?.isCalled) return after;
    const { presented = '' } = after;
    const isRefused = registrationOf(state).versions.some((version) => refuses(version, presented));
    return isRefused ? { ...after, begunFor: 0 } : after;
  }

  /**
   * Each write of a turn can fail, and the process can crash before and after it. Calls that fail in one turn are one
   * fault, because they have one cause. The daemon writes a second time only if the first write failed.
   */
  async function turnSteps(state: State, index: number, replica: Replica): Promise<Step[]> {
    const steps: Step[] = [];
    async function take(...chosen: readonly Fate[]): Promise<void> {
      const kinds = [...new Set(chosen.map((fate) => kindOf[fate]))];
      if (!may(state, ...kinds)) return;
      const result = await turn(state, index, chosen);
      const after = begun(state, replica, result.replica);
      const next = withReplica(written(state, result.objects, false), index, after);
      steps.push({ label: `${nameOf(index)} ${describe(result.writes, chosen)}`, state: fault(next, ...kinds) });
      if (result.writes > chosen.length) for (const fate of fates) await take(...chosen, fate);
    }
    await take();
    return steps;
  }
  return replicaSteps;
}

const kindOf = {
  refused: 'call-fails',
  unanswered: 'call-fails',
  'crash-before': 'crash',
  'crash-after': 'crash',
} as const;

const labelOf = {
  refused: 'tries to write, and fails',
  unanswered: 'writes, and gets no answer',
  'crash-before': 'crashes before its write',
  'crash-after': 'crashes after its write',
} as const;

function describe(writes: number, chosen: readonly Fate[]): string {
  if (writes === 0) return 'ends its turn without a write';
  const labels = chosen.map((fate) => labelOf[fate]);
  return [...labels, ...(writes > chosen.length ? ['writes'] : [])].join('; then it ');
}
