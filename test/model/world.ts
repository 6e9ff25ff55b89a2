import type { Issuer } from '../../src/certs/issue.ts';
import { PHASE, ROTATE } from '../../src/certs/secret-annotations.ts';
import { readConfig } from '../../src/cli/config.ts';
import type { Bounds, FaultKind } from './bounds.ts';
import { createReplicas, type Fate, fates, type Objects, type Replica, sorted, type Turn } from './replica.ts';
import { canonical, createStates, partsOf, refuses, type State } from './state.ts';
import { createSymbols, FOREIGN, oneTickLater } from './symbols.ts';

/** A step of the model: what happens, and the state after it. */
export interface Step {
  readonly label: string;
  readonly state: State;
}

/** The content of a Secret, with symbols. */
export interface SecretText {
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

const SETTLE_MS = 60_000;
const EMPTIED = '""';

export type World = Awaited<ReturnType<typeof createWorld>>;

/** Returns the model: its first state, and the steps that are possible in a state. */
export async function createWorld(bounds: Bounds) {
  const tickMs = SETTLE_MS / bounds.settle;
  // The restart of a process renews no certificate, because the certificates of the model have no age.
  const read = readConfig({ 'settle-time': `${SETTLE_MS / 1000}s`, 'rotate-on-start': 'false' });
  const config = { ...read, certificates: { ...read.certificates, keySize: 1024 } };
  const symbols = createSymbols({ options: config.certificates, tickMs });
  await symbols.pair(FOREIGN);
  const { started, act, order } = await createReplicas({ ...bounds, config, symbols, tickMs });
  const states = createStates(bounds);
  const { table, put, replicaAt, registrationOf, textOf, objectsOf, withReplica } = states;
  const { withRegistration, written } = states;
  // Two settle times by two clocks that differ are over when this time is.
  const ages = { oldest: bounds.settle + 2 + 2 * Math.max(0, ...bounds.clocks.map(Math.abs)), settle: bounds.settle };

  const may = (state: State, kind: FaultKind): boolean => state.faults > 0 && bounds.kinds.includes(kind);
  const fault = (state: State, cost = 1): State => ({ ...state, faults: state.faults - cost });
  const secretOf = (state: State): SecretText | null => table.parsed(state.secret);

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
  async function turn(state: State, index: number, fate: Fate): Promise<Turn> {
    const objects = objectsOf(state);
    const free = unused(state);
    const key = [state.replicas[index], state.secret, objects.registration, fate, free.key].join();
    const known = turns.get(key);
    if (known) return known;
    const issuer: Issuer = {
      authority: () => symbols.pair(free.authority),
      serving: (_, { certificate }) => symbols.pair(free.serving(symbols.symbolOf(certificate))),
    };
    const result = await act(replicaAt(state, index) as Replica, objects, { fate, issuer });
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
      ...(may(state, 'call-fails') ? [{ label, state: fault(failing) }] : []),
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
      const next = fault(withReplica(state, index, { ...replica, cutFor: 0 }));
      steps.push({ label: `${name} is cut off from the API servers`, state: next });
    }
    if (may(state, 'crash')) steps.push({ label: `${name} crashes`, state: fault(withReplica(state, index, null)) });
    const clocks = may(state, 'clock-step') ? bounds.clocks.filter((clock) => clock !== replica.clock) : [];
    for (const clock of clocks) {
      const next = fault(withReplica(state, index, { ...replica, clock }));
      steps.push({ label: `the clock of ${name} is set ${clock} ticks ahead`, state: next });
    }
    return steps;
  }

  /** Returns the replica, marked if it begins with a certificate that an API server refuses now or may refuse later. */
  function begun(state: State, before: Replica, after: Replica | null): Replica | null {
    if (!bounds.exceptsStart || before.phase !== 'starting' || after?.presented === undefined) return after;
    const { presented } = after;
    const isRefused = registrationOf(state).versions.some((version) => refuses(version, presented));
    return presented !== before.presented && isRefused ? { ...after, begunFor: 0 } : after;
  }

  async function turnSteps(state: State, index: number, replica: Replica): Promise<Step[]> {
    const { cutFor } = replica;
    const take = async (fate: Fate) => {
      const result = await turn(state, index, fate);
      const after = begun(state, replica, result.replica);
      const next = withReplica(written(state, result.objects, false), index, after);
      return { hasWritten: result.hasWritten, label: `${nameOf(index)} ${describe(result, fate)}`, state: next };
    };
    if (cutFor !== undefined) return [await take('refused')];
    const done = await take('done');
    const faulty = fates.filter((fate) => done.hasWritten && fate !== 'done' && may(state, kindOf[fate]));
    const others = await Promise.all(faulty.map(take));
    return [done, ...others.map((step) => ({ ...step, state: fault(step.state) }))];
  }

  function apiServerSteps(state: State): Step[] {
    const { versions, at } = registrationOf(state);
    const behind = [...new Set(at)].filter((index) => index < versions.length - 1);
    return behind.map((index) => ({
      label: `an API server loads ${nameOfVersion(versions[index + 1]?.bundle)}`,
      state: withRegistration(state, { versions, at: at.with(at.indexOf(index), index + 1) }),
    }));
  }

  function userSteps(state: State): Step[] {
    const ask = bounds.asks[state.asked];
    const secret = secretOf(state);
    if (ask === undefined || secret?.annotations[PHASE] !== 'stable' || secret.annotations[ROTATE]) return [];
    const annotations = sorted(Object.entries({ ...secret.annotations, [ROTATE]: ask }));
    const objects = { ...objectsOf(state), secret: JSON.stringify({ ...secret, annotations }) };
    return [
      { label: `a user sets rotate=${ask}`, state: { ...written(state, objects, true), asked: state.asked + 1 } },
    ];
  }

  /** One backup is taken in a history, at any moment. */
  function backupSteps(state: State): Step[] {
    if (!may(state, 'secret-restored') || textOf(state.backup) !== null || textOf(state.secret) === null) return [];
    return [{ label: 'a backup of the Secret is taken', state: { ...state, backup: state.secret } }];
  }

  /** Steps of other writers of the Secret and of the registration. */
  function outsideSteps(state: State): Step[] {
    const { secret, registration } = objectsOf(state);
    const backup = textOf(state.backup);
    const hasBundle = registration !== null;
    const all: readonly [FaultKind, boolean, string, Partial<Objects>][] = [
      ['secret-deleted', secret !== null, 'the Secret is deleted', { secret: null }],
      [
        'secret-restored',
        backup !== null && backup !== secret,
        'a backup of the Secret is restored',
        { secret: backup },
      ],
      ['registration-deleted', hasBundle, 'the registration is deleted', { registration: null }],
      ['bundle-emptied', hasBundle && registration !== EMPTIED, 'the CA bundle is emptied', { registration: EMPTIED }],
      [
        'foreign-ca',
        hasBundle && !registration.includes(FOREIGN),
        'another writer adds a CA to the CA bundle',
        { registration: `${registration?.slice(0, -1)}${FOREIGN}"` },
      ],
    ];
    return all
      .filter(([kind, isPossible]) => isPossible && may(state, kind))
      .map(([, , label, changed]) => ({
        label,
        state: fault(written(state, { secret, registration, ...changed }, true)),
      }));
  }

  /** Time goes on by a tick if nothing must happen before. */
  function timeSteps(state: State): Step[] {
    const registration = table.derived(state.registration, 'tick', () => laterRegistration(state));
    const replicas = state.replicas.map((id, index) => table.derived(id, 'tick', () => laterReplica(state, index)));
    if (registration === undefined || !replicas.every((id) => id !== undefined)) return [];
    const secret = table.derived(state.secret, 'tick', () => table.id(oneTickLater(table.text(state.secret), ages)));
    const later = { ...state, secret: secret as number, registration, replicas };
    const passes = state.replicas.filter((_, index) => isInPass(replicaAt(state, index))).length;
    if (passes === 0) return [{ label: 'a tick of time', state: later }];
    const isPossible = may(state, 'slow-pass') && passes <= state.faults;
    return isPossible ? [{ label: 'a tick of time, during a pass', state: fault(later, passes) }] : [];
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
    if (replica === null) return started(0);
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
    // Without these steps, the last replica would be in the phase `serving`.
    for (let count = 0; count < 200; count += 1) state = (await fairStep(state)) ?? state;
    return canonicalOf(state);
  }
  const canonicalOf = (state: State): State => canonical(state, table);
  return { bounds, first, steps, fairStep, isAtRest, canonicalOf, secretOf, replicaAt, registrationOf };
}

/** Returns the number of ticks one tick later; `undefined` after the last one. */
const oneMore = (ticks: number | undefined, last: number): number | undefined =>
  ticks === undefined || ticks >= last ? undefined : ticks + 1;

const isInPass = (replica: Replica | null): boolean => replica !== null && Object.keys(replica.reads).length > 0;

const nameOfVersion = (bundle: string | null | undefined): string =>
  bundle === null || bundle === undefined
    ? 'that the registration is gone'
    : `the CA bundle ${bundle.slice(1, -1) || '(empty)'}`;

const kindOf = {
  refused: 'call-fails',
  unanswered: 'call-fails',
  'crash-before': 'crash',
  'crash-after': 'crash',
} as const;

function describe({ hasWritten, replica }: Turn, fate: Fate): string {
  if (replica === null) return fate === 'crash-before' ? 'crashes before its write' : 'crashes after its write';
  if (!hasWritten) return 'ends its turn without a write';
  if (fate === 'done') return 'writes';
  return fate === 'refused' ? 'tries to write, and fails' : 'writes, and gets no answer';
}
