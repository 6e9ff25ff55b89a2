import { createCertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair } from '../certs/certificate-set.ts';
import { readCertificateFiles } from '../certs/files.ts';
import type { Config } from '../cli/config.ts';
import { OperatorError } from '../lib/errors.ts';
import { timings } from '../lib/timings.ts';
import { apply, type PassOutcome } from './apply.ts';
import { dueAt, limit } from './limit.ts';
import { initialMemory, type Memory } from './memory.ts';
import { type DaemonPhase, type Observed, observe, type Sources } from './observe.ts';
import { createDecide, type Plan } from './plan.ts';
import { remember } from './remember.ts';
import { createReport, type Telemetry } from './report.ts';

export interface ReconcilerDependencies extends Telemetry, Omit<Sources, 'readFiles'> {
  /** Reads the Lease and returns whether this replica may still act as its holder. */
  readonly stillHolds: () => Promise<boolean>;
}

/** Reconciles the Secret, the registration and the endpoint. */
export interface Reconciler {
  /**
   * Observes, decides and writes until no step is left that can be taken now.
   *
   * @param present swaps the certificate of the endpoint.
   * @returns when the next step is due; `undefined` if no step is planned.
   * @throws OperatorError the first failure, after the other steps were tried.
   */
  pass(phase: DaemonPhase, present: (pair: CertificatePair) => void): Promise<Date | undefined>;
  /** Returns the state that the last pass left for the next pass. */
  memory(): Memory;
}

/** Maximum number of rounds with a write in one pass. A whole CA rotation with a conflict at each step needs fewer. */
const MOST_WRITES = 20;

export function createReconciler(config: Config, dependencies: ReconcilerDependencies): Reconciler {
  const { secrets, registrations, stillHolds, now } = dependencies;
  const { certificateDirectory, certificates } = config;
  const logic = createCertificateLogic(certificates);
  const readFiles =
    certificateDirectory === undefined
      ? undefined
      : (at: Date) => readCertificateFiles(certificateDirectory, certificates.names, at);
  const sources = { ...dependencies, readFiles };
  const decide = createDecide(config, logic);
  const report = createReport(dependencies, config, logic);
  let memory = initialMemory(config.rotateOnStart ? now() : undefined);

  /**
   * Returns the plan.
   *
   * If the plan writes fields of the webhook that only the Lease holder may write, reads the Lease first. If another
   * replica has acquired the Lease, returns a plan that leaves these fields to that replica. The Lease is read after
   * the registration, because a new holder first acquires the Lease and then publishes its settings.
   *
   * A plan that updates only the CA bundle does not read the Lease, so that the update does not wait for that read.
   */
  async function plan(observed: Observed): Promise<Plan> {
    const planned = decide(observed, memory);
    if (!observed.isLeaseHolder || planned.registration.step === undefined) return planned;
    const withoutLease = decide({ ...observed, isLeaseHolder: false }, memory);
    const writesSpec = !!withoutLease.registration.findings?.leftToHolder.length;
    return writesSpec && !(await stillHolds()) ? withoutLease : planned;
  }
  async function turn(phase: DaemonPhase, present: (pair: CertificatePair) => void): Promise<PassOutcome> {
    const observed = await observe(sources, phase);
    const allowed = limit(await plan(observed), memory, secrets.reference);
    const outcome = await apply(allowed, { secrets, registrations, present, logic });
    memory = remember(memory, outcome);
    report(outcome, memory);
    return outcome;
  }
  async function pass(phase: DaemonPhase, present: (pair: CertificatePair) => void): Promise<Date | undefined> {
    let lost = 0;
    for (let writes = 0; writes <= MOST_WRITES && lost < timings.lostRace.tries; writes += 1) {
      const { plan, secret, failure, isChanged } = await turn(phase, present);
      if (failure !== undefined) throw failure;
      if (!isChanged) return dueAt(plan);
      lost += secret.result === 'lost' ? 1 : 0;
    }
    throw new OperatorError(
      'KUBE_CONFLICT',
      'the Secret or the webhook configuration kept changing during the reconcile',
    );
  }
  return { pass, memory: () => memory };
}
