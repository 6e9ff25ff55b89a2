import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { createCertificateLogic } from '../../src/certs/certificate-logic.ts';
import type { CertificatePair } from '../../src/certs/certificate-set.ts';
import type { Issuer } from '../../src/certs/issue.ts';
import { SECRET_TYPE, type StoredSecret } from '../../src/certs/secret.ts';
import { PHASE, PHASE_SINCE, ROTATE } from '../../src/certs/secret-annotations.ts';
import type { SecretStore } from '../../src/certs/secret-step.ts';
import type { Config } from '../../src/cli/config.ts';
import { OperatorError } from '../../src/lib/errors.ts';
import { fromBase64, type Pem, toBase64 } from '../../src/lib/pem.ts';
import { apply, type PassOutcome } from '../../src/operator/apply.ts';
import { nextPhase, readiness } from '../../src/operator/health.ts';
import { dueAt, limit } from '../../src/operator/limit.ts';
import { initialMemory, type Memory } from '../../src/operator/memory.ts';
import { type DaemonPhase, type Observation, type Observed, observe } from '../../src/operator/observe.ts';
import { createDecide } from '../../src/operator/plan.ts';
import { remember } from '../../src/operator/remember.ts';
import { nextResyncMs } from '../../src/operator/resync.ts';
import { matchConditions } from '../../src/policy/cel.ts';
import { terraformPolicy } from '../../src/policy/policy.ts';
import { type DesiredRegistration, desiredRegistration } from '../../src/registration/desired.ts';
import { liveBundle, type RegistrationStore } from '../../src/registration/registration-step.ts';
import { createFakeRegistrationStore } from '../support/fakes/fake-registration-store.ts';
import { createFakeSecretStore, SECRET_REFERENCE } from '../support/fakes/fake-secret-store.ts';
import { FAR_MS, NOW, type Symbols, UPTIME_MS } from './symbols.ts';

/** The objects in the API server, as texts with symbols; `null` if absent. The registration is its CA bundle. */
export interface Objects {
  readonly secret: string | null;
  readonly registration: string | null;
}

/** The result of a read. `isCurrent`: the object has not been written since. */
export interface Read {
  readonly text: string | null;
  readonly isCurrent: boolean;
  readonly hasFailed?: boolean;
}

/** A replica of the daemon: all that its next step depends on. */
export interface Replica {
  readonly phase: DaemonPhase;
  /** The `Memory` of the daemon, as text with symbols. */
  readonly memory: string;
  /** What the pass has read so far; empty between two passes. */
  readonly reads: Readonly<Partial<Record<keyof Objects, Read>>>;
  /** Passes that have failed in a row. */
  readonly failures: number;
  /** Ticks until the next pass must begin; 0 if it begins before time goes on. */
  readonly dueIn: number;
  /** Ticks that the pass can still take. */
  readonly patience: number;
  /** Ticks that the clock of the machine is ahead. */
  readonly clock: number;
  /** Whether the replica has been ready, so that API servers call it. */
  readonly isCalled: boolean;
  /** The symbol of the serving certificate that the endpoint presents. */
  readonly presented?: string | undefined;
  /** Ticks since the replica became ready with a certificate that an API server refused; at most the settle time. */
  readonly begunFor?: number | undefined;
  /** For how many ticks no API server could be reached; `undefined` if they can be reached. */
  readonly cutFor?: number | undefined;
}

/** Whether the replica has begun a pass. */
export const isInPass = (replica: Replica | null): boolean => replica !== null && Object.keys(replica.reads).length > 0;

/** What can happen to a write, other than that it is done. */
export const fates = ['refused', 'unanswered', 'crash-before', 'crash-after'] as const;
export type Fate = (typeof fates)[number];

/** The result of a turn. `replica`: `null` if the process has crashed. */
export interface Turn {
  readonly replica: Replica | null;
  readonly objects: Objects;
  /** How many writes were tried. */
  readonly writes: number;
}

class Crash extends Error {}

/** The annotations of the Secret that decide something. The others describe its certificates. */
const decisive: readonly string[] = [PHASE, PHASE_SINCE, ROTATE];

/** Maximum number of ticks that a pass takes. */
export const PATIENCE = 1;

export interface ReplicaOptions {
  readonly config: Config;
  readonly symbols: Symbols;
  readonly tickMs: number;
  readonly isLeaseHolder: boolean;
}

/** Returns the steps of a replica, which run the decision code of the daemon. */
export async function createReplicas({ config, symbols, tickMs, isLeaseHolder }: ReplicaOptions) {
  const { lower, lift, symbolOf } = symbols;
  const order = await orderOfReads();

  const started = (clock: number): Replica => ({
    phase: 'starting',
    memory: lower(initialMemory(undefined)),
    reads: {},
    failures: 0,
    dueIn: 0,
    patience: PATIENCE,
    clock,
    isCalled: false,
  });
  const nowOf = ({ clock }: Replica) => new Date(NOW.getTime() + clock * tickMs);

  function lowerSecret(secret: StoredSecret | undefined): string | null {
    if (secret === undefined) return null;
    const { labels, annotations, data } = secret;
    const kept = Object.entries(annotations).filter(([name]) => decisive.includes(name));
    const texts = Object.entries(data).map(([key, base64]) => [key, fromBase64(base64)] as const);
    return lower({ labels, annotations: sorted(kept), data: sorted(texts) });
  }
  function liftSecret(text: string | null, resourceVersion: string): StoredSecret | undefined {
    if (text === null) return undefined;
    const { data, ...metadata } = lift<Pick<StoredSecret, 'labels' | 'annotations' | 'data'>>(text);
    const encoded = Object.entries(data).map(([key, value]) => [key, toBase64(value)]);
    const usual = { uid: 'uid', type: SECRET_TYPE, isImmutable: false, otherWriter: undefined };
    return { ...usual, ...metadata, resourceVersion, data: Object.fromEntries(encoded) };
  }
  function liftRegistration(text: string | null, resourceVersion: string): DesiredRegistration | undefined {
    if (text === null) return undefined;
    const content = { caBundle: lift<Pem>(text), matchConditions: matchConditions(terraformPolicy) };
    const desired = desiredRegistration(config.registration, content);
    return { ...desired, metadata: { ...desired.metadata, resourceVersion } };
  }
  const lowerRegistration = (live: V1MutatingWebhookConfiguration | undefined): string | null => {
    const bundle = liveBundle(live);
    return bundle === undefined ? null : lower(bundle);
  };

  function observedBy(replica: Replica): Observed {
    const { phase, reads } = replica;
    const registration = observation(reads.registration, ({ text, isCurrent }) =>
      liftRegistration(text, isCurrent ? CURRENT.registration : STALE),
    );
    const stored = observation(reads.secret, ({ text, isCurrent }) =>
      liftSecret(text, isCurrent ? CURRENT.secret : STALE),
    );
    const certificates = 'error' in registration ? registration : stored;
    return {
      phase,
      isLeaseHolder,
      now: nowOf(replica),
      uptimeMs: UPTIME_MS,
      registration,
      certificates: 'error' in certificates ? certificates : { value: { stored: certificates.value as StoredSecret } },
      policy: terraformPolicy,
    };
  }

  /** Ends a turn of the pass: plans, writes and presents with what was read. */
  async function act(
    replica: Replica,
    objects: Objects,
    how: { readonly fates: readonly Fate[]; readonly issuer: Issuer },
  ): Promise<Turn> {
    const logic = createCertificateLogic(config.certificates, how.issuer);
    const stores = await storesOf(objects);
    const { secrets, registrations, writes } = fated(stores, how.fates);
    const memory = lift<Memory>(replica.memory);
    const observed = observedBy(replica);
    const plan = limit(createDecide(config, logic)(observed, memory), memory, SECRET_REFERENCE);
    let presented = replica.presented;
    const present = ({ certificate }: CertificatePair) => {
      presented = symbolOf(certificate);
    };
    let after: Replica | null = null;
    try {
      const outcome = await apply(plan, { secrets, registrations, present, logic });
      after = endTurn({ ...replica, presented }, outcome, remember(memory, outcome));
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    const written = {
      secret: lowerSecret(stores.secrets.current()),
      registration: lowerRegistration(stores.registrations.current()),
    };
    return { replica: after, objects: written, writes: writes() };
  }

  async function storesOf({ secret, registration }: Objects) {
    const secrets = createFakeSecretStore(liftSecret(secret, ''));
    const registrations = createFakeRegistrationStore();
    const live = liftRegistration(registration, '');
    if (live) await registrations.apply(live);
    return { secrets, registrations };
  }

  /** Returns the replica after a turn, as the loop of the operator goes on. */
  function endTurn(replica: Replica, outcome: PassOutcome, memory: Memory): Replica {
    const next = { ...replica, memory: lower(decisiveMemory(memory)), reads: {}, patience: PATIENCE };
    const hasSucceeded = outcome.failure === undefined;
    // The pass goes on with another turn.
    if (hasSucceeded && outcome.isChanged) return { ...next, dueIn: 0 };
    const { settleMs, names } = config.certificates;
    const now = nowOf(replica);
    const checks = readiness({ ...memory, phase: replica.phase }, names, now);
    const phase = nextPhase(replica.phase, { hasSucceeded, isLeaseChecked: true, checks });
    const failures = hasSucceeded ? 0 : replica.failures + 1;
    const until = hasSucceeded ? dueAt(outcome.plan) : undefined;
    const isStarting = phase === 'starting';
    const waitMs = nextResyncMs({ until, now, failures, isFromFiles: false, settleMs, isStarting });
    return {
      ...next,
      phase,
      failures: Math.min(failures, MOST_FAILURES),
      dueIn: phase === replica.phase ? Math.ceil(waitMs / tickMs) : 0,
      isCalled: replica.isCalled || checks.every(({ problem }) => problem === undefined),
    };
  }
  return { started, act, order };
}

/** From this number on, each failure has the same backoff. */
const MOST_FAILURES = 10;

/** The resourceVersions that the fakes give to their first object, and an older one. */
const CURRENT = { secret: '2', registration: '2' } as const;
const STALE = '0';

/** Returns the object with its keys in order, so that equal objects are equal texts. */
export const sorted = (entries: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));

/** Returns the order in which a pass of the daemon reads the objects. */
async function orderOfReads(): Promise<readonly (keyof Objects)[]> {
  const order: (keyof Objects)[] = [];
  const [secrets, registrations] = [createFakeSecretStore(), createFakeRegistrationStore()];
  const reading =
    <Value>(object: keyof Objects, read: () => Promise<Value>) =>
    () => {
      order.push(object);
      return read();
    };
  const sources = {
    secrets: { ...secrets, read: reading('secret', secrets.read) },
    registrations: { ...registrations, read: reading('registration', registrations.read) },
    readFiles: undefined,
    isLeaseHolder: () => true,
    policies: { current: () => terraformPolicy },
    now: () => NOW,
    uptimeMs: () => UPTIME_MS,
  };
  await observe(sources, 'starting');
  return order;
}

function observation<Value>(read: Read | undefined, lift: (read: Read) => Value): Observation<Value> {
  if (read === undefined || read.hasFailed) return { error: new OperatorError('KUBE_UNAVAILABLE', 'not read') };
  return { value: lift(read) };
}

/**
 * Returns the memory without what decides nothing within the bounds: the counts of repairs, because no history has
 * twenty; and since when a phase is known that does not end with time.
 */
function decisiveMemory({ phaseSeen, ...memory }: Memory): Memory {
  const isTimed = phaseSeen !== undefined && /^(settling|signing) /.test(phaseSeen.key);
  const seen = phaseSeen && { ...phaseSeen, sinceMs: isTimed ? phaseSeen.sinceMs : UPTIME_MS + FAR_MS };
  return { ...memory, phaseSeen: seen, published: {}, repairs: { secret: undefined, registration: undefined } };
}

/** Returns stores on which the first writes have the given fates, and each further write is done. */
function fated(
  stores: { readonly secrets: SecretStore; readonly registrations: RegistrationStore },
  fates: readonly Fate[],
) {
  let writes = 0;
  async function write<Result>(call: () => Promise<Result>): Promise<Result> {
    const fate = fates[writes];
    writes += 1;
    if (fate === undefined) return call();
    if (fate === 'crash-before') throw new Crash();
    if (fate === 'refused') throw new OperatorError('KUBE_UNAVAILABLE', 'not written');
    await call();
    throw fate === 'crash-after' ? new Crash() : new OperatorError('KUBE_UNAVAILABLE', 'written, but not answered');
  }
  const secrets: SecretStore = {
    ...stores.secrets,
    create: (...call) => write(() => stores.secrets.create(...call)),
    update: (...call) => write(() => stores.secrets.update(...call)),
    delete: (...call) => write(() => stores.secrets.delete(...call)),
  };
  const registrations: RegistrationStore = {
    ...stores.registrations,
    apply: (...call) => write(() => stores.registrations.apply(...call)),
    replaceEntry: (...call) => write(() => stores.registrations.replaceEntry(...call)),
  };
  return { secrets, registrations, writes: () => writes };
}
