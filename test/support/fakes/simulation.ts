import { setImmediate as nextTurn } from 'node:timers/promises';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import { BACKDATE_MS, type CertificatePair } from '../../../src/certs/certificate-set.ts';
import { fromSecret } from '../../../src/certs/secret.ts';
import type { SecretStore } from '../../../src/certs/secret-step.ts';
import { type Config, readConfig } from '../../../src/cli/config.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { createReconciler, type Reconciler } from '../../../src/operator/reconciler.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { liveBundle, type RegistrationStore } from '../../../src/registration/registration-step.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { createFakeRegistrationStore } from './fake-registration-store.ts';
import { createFakeSecretStore } from './fake-secret-store.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Thrown by a call at which the simulated process crashes. */
class Crash extends Error {}

export interface SimulationOptions {
  readonly replicas: number;
  readonly days: number;
  /** The only source of randomness: returns numbers from 0 to 1. */
  readonly random: () => number;
}

/** The result of a simulation. */
export interface Life {
  /** Moments at which an API server would not have trusted the certificate that a ready replica presents. */
  readonly failures: readonly string[];
  readonly rotations: number;
  readonly renewals: number;
  readonly crashes: number;
  /**
   * The highest number of passes of all replicas in one day. The simulation skips passes that would find nothing to do,
   * so they do not count.
   */
  readonly busiestDay: number;
}

interface SimulatedReplica {
  phase: 'starting' | 'running';
  readonly reconciler: Reconciler;
  /** How many ms the clock of the machine is ahead. */
  readonly clockMs: number;
  presented: Pem | undefined;
  nextAt: number;
}

/**
 * Simulates years of several replicas in seconds: the real reconciler on the fakes of both stores, with a clock that
 * jumps to the next event. Writes are lost before or after they are executed, processes crash at any call and restart,
 * and clocks jump forward and back.
 *
 * API servers in HA see a change late. So every CA bundle of the recent past must verify the presented certificate.
 */
export async function simulate({ replicas: count, days, random }: SimulationOptions): Promise<Life> {
  const config = readConfig({ 'ca-lifetime': '17520h', 'rotate-on-start': 'true' });
  const { settleMs } = config.certificates;
  const start = Date.parse('2030-01-01T00:00:00Z');
  let now = start;
  let elapsedMs = 0;
  const secrets = createFakeSecretStore();
  const registrations = createFakeRegistrationStore();
  const bundles: { readonly since: number; readonly bundle: Pem }[] = [];
  const failures: string[] = [];
  const passes = new Map<number, number>();
  const [cas, servings] = [new Set<string>(), new Set<string>()];
  let crashes = 0;
  // No call fails while there is no Secret: a crash of the only replica would then lose its certificate for good.
  const fate = () => (secrets.current() === undefined ? 1 : random());
  let replicas: SimulatedReplica[] = Array.from({ length: count }, newReplica);

  function newReplica(): SimulatedReplica {
    // The clocks of the machines differ by at most half of the backdating of certificates.
    const clockMs = (random() - 0.5) * BACKDATE_MS;
    const dependencies = {
      secrets: faulty(secrets, ['create', 'update', 'delete'], fate) as SecretStore,
      registrations: faulty(registrations, ['apply', 'replaceEntry'], fate) as RegistrationStore,
      policies: { current: () => terraformPolicy },
      isLeaseHolder: () => true,
      stillHolds: async () => true,
      log: silent,
      metrics: createMetrics('test'),
      events: { emit() {} },
      now: () => new Date(now + clockMs),
      uptimeMs: () => elapsedMs,
    };
    const fast: Config = { ...config, certificates: { ...config.certificates, keySize: 1024 } };
    return {
      phase: 'starting',
      reconciler: createReconciler(fast, dependencies),
      clockMs,
      presented: undefined,
      nextAt: now,
    };
  }

  async function pass(replica: SimulatedReplica): Promise<void> {
    const day = Math.floor((now - start) / DAY_MS);
    passes.set(day, (passes.get(day) ?? 0) + 1);
    try {
      replica.nextAt = await look(replica);
    } catch (error) {
      if (error instanceof OperatorError) {
        replica.nextAt = now + 250 + random() * MINUTE_MS;
        return;
      }
      if (!(error instanceof Crash)) throw error;
      crashes += 1;
      const restarted = { ...newReplica(), nextAt: now + random() * MINUTE_MS };
      replicas = replicas.map((one) => (one === replica ? restarted : one));
    }
  }

  /** Runs a pass and returns the time of the next pass. Passes that would find nothing to do are skipped. */
  async function look(replica: SimulatedReplica): Promise<number> {
    const { phase, reconciler, clockMs } = replica;
    const present = ({ certificate }: CertificatePair) => {
      replica.presented = certificate;
    };
    const until = await reconciler.pass(phase, present);
    replica.phase = 'running';
    const dueAt = until ? until.getTime() - clockMs : now + MINUTE_MS;
    const isAtRest = secrets.current()?.annotations['terraform.job.kb.io/phase'] === 'stable';
    return isAtRest ? dueAt + random() * MINUTE_MS : Math.min(Math.max(dueAt, now + 100), now + MINUTE_MS);
  }

  /** The watches of the other replicas see a change, each with a different delay. */
  function tellOthers(before: string): void {
    if (versions() === before) return;
    const bundle = liveBundle(registrations.current());
    if (bundle !== undefined && bundles.at(-1)?.bundle !== bundle) bundles.push({ since: now, bundle });
    for (const replica of replicas) replica.nextAt = Math.min(replica.nextAt, now + random() * settleMs * 0.4);
    const secret = secrets.current();
    if (secret === undefined) return;
    const set = fromSecret(secret);
    cas.add(set.ca.certificate);
    servings.add(set.serving.certificate);
  }
  const versions = () => `${secrets.current()?.resourceVersion} ${registrations.current()?.metadata?.resourceVersion}`;

  const { isVerified } = createCertificateLogic(config.certificates);

  function check(): void {
    const seen = bundles.filter(
      (_, index) => (bundles[index + 1]?.since ?? Number.POSITIVE_INFINITY) > now - settleMs * 0.9,
    );
    for (const { presented, phase } of replicas) {
      if (phase !== 'running' || presented === undefined) continue;
      const isAccepted = seen.every(({ bundle }) => isVerified(presented, bundle, new Date(now)));
      if (!isAccepted) failures.push(new Date(now).toISOString());
    }
  }

  function lookBy(moment: number): void {
    for (const replica of replicas) replica.nextAt = Math.min(replica.nextAt, moment);
  }

  /** Random events in the cluster, on average one every 40 days. */
  let nextEventAt = now + random() * 80 * DAY_MS;
  function befall(): void {
    nextEventAt = now + random() * 80 * DAY_MS;
    const kind = random();
    if (kind < 0.6) {
      const victim = Math.floor(random() * replicas.length);
      replicas = replicas.map((one, index) => (index === victim ? newReplica() : one));
    } else if (kind < 0.7) {
      // The watch of a running replica reports the deletion of the Secret before another replica has started.
      secrets.put(undefined);
      lookBy(now);
    } else if (kind < 0.9) {
      now += random() * 5 * DAY_MS;
    } else {
      const backMs = random() * 30 * MINUTE_MS;
      now -= backMs;
      lookBy(now + MINUTE_MS);
    }
  }

  const end = start + days * DAY_MS;
  while (now < end) {
    const next = replicas.reduce((one, other) => (other.nextAt < one.nextAt ? other : one));
    if (nextEventAt < next.nextAt) {
      elapsedMs += Math.max(0, nextEventAt - now);
      now = Math.max(now, nextEventAt);
      befall();
      continue;
    }
    elapsedMs += Math.max(0, next.nextAt - now);
    now = Math.max(now, next.nextAt);
    const before = versions();
    await pass(next);
    tellOthers(before);
    check();
    await nextTurn();
  }
  return {
    failures,
    rotations: cas.size - 1,
    renewals: servings.size - 1,
    crashes,
    busiestDay: Math.max(...passes.values()),
  };
}

const silent = { error() {}, warn() {}, info() {}, debug() {} };

/** Makes one call in fifty fail before or after its execution, or crash the process. */
function faulty<T extends object>(store: T, writes: readonly string[], random: () => number): T {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        fail(random(), 'the API server is away');
        const result: unknown = await member.apply(target, args);
        if (writes.includes(String(name))) fail(random() / 4, 'no answer');
        return result;
      };
    },
  });
}

function fail(fate: number, message: string): void {
  if (fate < 0.005) throw new OperatorError('KUBE_UNAVAILABLE', message);
  if (fate < 0.01) throw new Crash();
}
