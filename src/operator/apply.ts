import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair, CertificateSet } from '../certs/certificate-set.ts';
import { type SecretStore, takeSecretStep } from '../certs/reconcile.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Pem } from '../lib/pem.ts';
import { liveBundle, type RegistrationStore, writeRegistration } from '../registration/reconcile.ts';
import type { LimitedPlan, WriteHold } from './limit.ts';
import type { Planned } from './plan.ts';

/** What became of a planned step. `lost`: the object has changed since it was read. `skipped`: an earlier step comes first. */
export interface StepOutcome {
  readonly result: 'none' | 'held' | 'skipped' | 'written' | 'lost' | 'failed';
  readonly isRepair: boolean;
}

export interface PassOutcome {
  readonly plan: LimitedPlan;
  readonly secret: StepOutcome;
  readonly registration: StepOutcome;
  /** The certificate set that was written. */
  readonly written: CertificateSet | undefined;
  /** The live CA bundle, as it was read or as a write has read it back. */
  readonly liveBundle: Pem;
  /** The certificate that the endpoint presents since this outcome. */
  readonly presented: Pem | undefined;
  /** Why a step that is needed was not taken. */
  readonly failure: OperatorError | undefined;
  /** Whether a write was made or lost, so that everything must be observed again. */
  readonly isChanged: boolean;
}

export interface Targets {
  readonly secrets: SecretStore;
  readonly registrations: RegistrationStore;
  readonly present: (pair: CertificatePair) => void;
  readonly logic: CertificateLogic;
}

/**
 * Takes the steps that are allowed, each by a conditional write. Trust is published before it is used: after a write to
 * the Secret the registration follows in the next observation, and a certificate is swapped by a bundle that was read.
 * A step that fails does not keep the next one from being taken.
 */
export async function apply(
  plan: LimitedPlan,
  { secrets, registrations, present, logic }: Targets,
): Promise<PassOutcome> {
  const { step: pair, isFirst } = plan.presentation;
  const { registration: live } = plan.observed;
  // The endpoint answers before any API server is told to call it.
  if (isFirst && pair) present(pair);
  const secret = await attempt(plan.secret, plan.held.secret, (step) => takeSecretStep(secrets, logic, step));
  const registration = isTried(secret)
    ? ({ result: 'skipped' } as const)
    : await attempt(plan.registration, plan.held.registration, (step) => writeRegistration(registrations, step));
  const isChanged = isTried(secret) || isTried(registration);
  const isSwapped = !isFirst && pair !== undefined && !isChanged;
  if (isSwapped) present(pair);
  const read = 'value' in live ? live.value : undefined;
  return {
    plan,
    secret: { result: secret.result, isRepair: plan.secret.isRepair },
    registration: { result: registration.result, isRepair: plan.registration.isRepair },
    written: writtenOf(secret),
    liveBundle: liveBundle(writtenOf(registration) ?? read) ?? ('' as Pem),
    presented: isFirst || isSwapped ? pair?.certificate : undefined,
    failure: plan.failure ?? errorOf(secret) ?? errorOf(registration),
    isChanged,
  };
}

type WriteAttempt<Value> =
  | { readonly result: 'none' | 'held' | 'skipped' | 'lost' }
  | { readonly result: 'written'; readonly value: Value }
  | { readonly result: 'failed'; readonly error: OperatorError };

async function attempt<Step, Value>(
  { step }: Planned<Step>,
  held: WriteHold | undefined,
  write: (step: Step) => Promise<Value | undefined>,
): Promise<WriteAttempt<Value>> {
  if (step === undefined) return { result: 'none' };
  if (held !== undefined) return { result: 'held' };
  try {
    const value = await write(step);
    return value === undefined ? { result: 'lost' } : { result: 'written', value };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return error.code === 'KUBE_CONFLICT' ? { result: 'lost' } : { result: 'failed', error };
  }
}

const isTried = ({ result }: { readonly result: string }): boolean => result === 'written' || result === 'lost';

const writtenOf = <Value>(attempt: WriteAttempt<Value>): Value | undefined =>
  attempt.result === 'written' ? attempt.value : undefined;

const errorOf = (attempt: WriteAttempt<unknown>): OperatorError | undefined =>
  attempt.result === 'failed' ? attempt.error : undefined;
