import type { Bounds, FaultKind } from './bounds.ts';
import type { Objects, Read, Replica } from './replica.ts';
import { authorityOf } from './symbols.ts';
import { createTable, type Table } from './table.ts';

/** A version of the registration. */
export interface Version {
  /** The CA bundle as a text with symbols; `null` if there is no registration. */
  readonly bundle: string | null;
  /** Whether another writer has written it: the daemon answers for its own versions only. */
  readonly isOutside: boolean;
  /** Ticks since the next version was written. */
  readonly age: number;
}

/** The versions of the registration that are in use. The last one is live; an API server uses the one at its index. */
export interface Registration {
  readonly versions: readonly Version[];
  readonly at: readonly number[];
}

/**
 * Whether an API server that uses the version refuses the certificate. The daemon answers for the CA bundles that it has
 * written: a version of another writer, or no registration, refuses nothing.
 */
export const refuses = ({ bundle, isOutside }: Version, certificate: string): boolean =>
  !isOutside && bundle !== null && !bundle.includes(authorityOf(certificate));

/** A state of the model. Its parts are numbers of texts in the table. */
export interface State {
  readonly secret: number;
  readonly registration: number;
  /** The Secret that another writer can restore. */
  readonly backup: number;
  readonly replicas: readonly number[];
  /** How many faults can still happen; if each kind can happen once, a bit for each kind that still can. */
  readonly faults: number;
  /** How many of `Bounds.asks` have been asked. */
  readonly asked: number;
}

/** A step of the model: what happens, and the state after it. */
export interface Step {
  readonly label: string;
  readonly state: State;
}

/** The content of a Secret, with symbols. */
interface SecretText {
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

const ABSENT = 'null';

export type States = ReturnType<typeof createStates>;

/** Returns the functions that read a state and change it. */
export function createStates({ replicas, apiServers, faults, kinds }: Bounds) {
  const table: Table = createTable();
  const put = (value: unknown): number => table.id(JSON.stringify(value));

  /** Returns the replica; `null` if its process does not run. */
  const replicaAt = ({ replicas: all }: State, index: number): Replica | null => table.parsed(all[index] as number);
  const registrationOf = ({ registration }: State): Registration => table.parsed(registration);
  const secretOf = ({ secret }: State): SecretText | null => table.parsed(secret);
  const textOf = (id: number): string | null => (table.text(id) === ABSENT ? null : table.text(id));
  const objectsOf = (state: State): Objects => ({
    secret: textOf(state.secret),
    registration: registrationOf(state).versions.at(-1)?.bundle ?? null,
  });
  const withReplica = (state: State, index: number, replica: Replica | null): State => ({
    ...state,
    replicas: state.replicas.with(index, put(replica)),
  });
  const withRegistration = (state: State, registration: Registration): State => ({
    ...state,
    registration: put(trimmed(registration)),
  });

  const isEach = faults === 'each';
  const bits = (some: readonly FaultKind[]): number => some.reduce((sum, kind) => sum + 2 ** kinds.indexOf(kind), 0);
  /** Whether the faults can still happen, all of them. */
  function may(state: State, ...some: readonly FaultKind[]): boolean {
    if (!some.every((kind) => kinds.includes(kind))) return false;
    if (!isEach) return state.faults >= some.length;
    return new Set(some).size === some.length && (state.faults & bits(some)) === bits(some);
  }
  const fault = (state: State, ...some: readonly FaultKind[]): State => ({
    ...state,
    faults: state.faults - (isEach ? bits(some) : some.length),
  });

  /** Returns the state with other objects. What replicas have read of a changed object is no longer current. */
  function written(state: State, objects: Objects, isOutside: boolean): State {
    const before = objectsOf(state);
    const changed = {
      secret: objects.secret !== before.secret,
      registration: objects.registration !== before.registration,
    };
    if (!changed.secret && !changed.registration) return state;
    const { versions, at } = registrationOf(state);
    const version = { bundle: objects.registration, isOutside, age: 0 };
    const published = changed.registration ? withRegistration(state, { versions: [...versions, version], at }) : state;
    const outdated = (id: number) => put(withOutdated(table.parsed<Replica | null>(id), changed));
    const secret = table.id(objects.secret ?? ABSENT);
    return { ...published, secret, replicas: state.replicas.map(outdated) };
  }

  const empty: State = {
    secret: table.id(ABSENT),
    registration: put({
      versions: [{ bundle: null, isOutside: true, age: 0 }],
      at: Array.from({ length: apiServers }, () => 0),
    }),
    backup: table.id(ABSENT),
    replicas: Array.from({ length: replicas }, () => put(null)),
    faults: isEach ? bits(kinds) : faults,
    asked: 0,
  };
  const reads = { replicaAt, registrationOf, secretOf, textOf, objectsOf };
  return { table, put, empty, ...reads, withReplica, withRegistration, written, may, fault };
}

/** Forgets the versions that no API server uses any more. The order of API servers does not matter. */
function trimmed({ versions, at }: Registration): Registration {
  const first = Math.min(...at);
  return { versions: versions.slice(first), at: at.map((index) => index - first).sort((one, other) => one - other) };
}

function withOutdated(replica: Replica | null, changed: Readonly<Record<keyof Objects, boolean>>): Replica | null {
  if (replica === null) return null;
  const entries = Object.entries(replica.reads) as [keyof Objects, Read][];
  const reads = entries.map(([object, read]) => [object, changed[object] ? { ...read, isCurrent: false } : read]);
  return { ...replica, reads: Object.fromEntries(reads) };
}

/** The parts of a state that hold certificates, in the order in which certificates are named. */
export const partsOf = ({ secret, registration, replicas, backup }: State): readonly number[] => [
  secret,
  registration,
  ...replicas,
  backup,
];

export const keyOf = ({ faults, asked, ...state }: State): string => [...partsOf(state as State), faults, asked].join();

/**
 * Returns the state that stands for all states which differ only in the names of certificates and in the order of the
 * replicas: certificates are named in the order in which they appear.
 */
export function canonical(state: State, table: Table): State {
  const shapeOf = (id: number) =>
    table.derived(id, 'shape', () => renamed(id, namesFor(table.symbols(id)), table)) as number;
  const replicas = state.replicas.toSorted((one, other) => shapeOf(one) - shapeOf(other));
  const named = (order: readonly number[]) => withNames({ ...state, replicas: order }, table);
  // Replicas of one shape can have different certificates. Then each order gives other names.
  const isTied = replicas.some(
    (id, at) => at > 0 && id !== replicas[at - 1] && shapeOf(id) === shapeOf(replicas[at - 1] as number),
  );
  if (!isTied) return named(replicas);
  const orders = permutations(replicas).filter((order) =>
    order.every((id, at) => shapeOf(id) === shapeOf(replicas[at] as number)),
  );
  return orders.map(named).reduce((one, other) => (keyOf(one) < keyOf(other) ? one : other));
}

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]));
}

function withNames(state: State, table: Table): State {
  const names = namesFor(partsOf(state).flatMap((id) => table.symbols(id)));
  const rename = (id: number) => renamed(id, names, table);
  return {
    ...state,
    secret: rename(state.secret),
    registration: rename(state.registration),
    backup: rename(state.backup),
    replicas: state.replicas.map(rename),
  };
}

const renamed = (id: number, names: ReadonlyMap<string, string> | undefined, table: Table): number =>
  names === undefined ? id : table.renamed(id, names);

/** Returns a new name for each symbol, in the order of first appearance; `undefined` if no name changes. */
function namesFor(symbols: readonly string[]): ReadonlyMap<string, string> | undefined {
  const letters = new Map<string, string>();
  const counts = new Map<string, number>();
  const names = new Map<string, string>();
  for (const symbol of symbols) {
    if (names.has(symbol)) continue;
    const letter = symbol.charAt(1);
    const next = letters.get(letter) ?? String.fromCharCode('A'.charCodeAt(0) + letters.size);
    letters.set(letter, next);
    const count = symbol.length === 2 ? '' : (counts.get(letter) ?? 0) + 1;
    if (count !== '') counts.set(letter, count);
    names.set(symbol, `@${next}${count}`);
  }
  return [...names].every(([before, after]) => before === after) ? undefined : names;
}
