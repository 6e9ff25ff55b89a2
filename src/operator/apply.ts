import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair, CertificateSet } from '../certs/certificate-set.ts';
import { type SecretStore, takeSecretStep } from '../certs/secret-step.ts';
import { OperatorError } from '../lib/errors.ts';
import { type RegistrationStore, writeRegistration } from '../registration/registration-step.ts';
import type { LimitedPlan, WriteHold } from './limit.ts';
import type { Planned } from './plan.ts';

/**
 * The result of a planned step. `held`: a user has paused writes, or the repair is rate-limited. `lost`: the object has
 * changed since it was read. `skipped`: the Secret was written or has changed, so everything is observed again first.
 */
export interface StepOutcome<Value> {
  readonly result: 'none' | 'held' | 'skipped' | 'written' | 'lost' | 'failed';
  /** The object as it was written. */
  readonly value?: Value;
  readonly error?: OperatorError;
}

/** The results of all steps of one pass. */
export interface PassOutcome {
  readonly plan: LimitedPlan;
  readonly secret: StepOutcome<CertificateSet>;
  readonly registration: StepOutcome<V1MutatingWebhookConfiguration>;
  /** The pair that the endpoint presents since this pass; `undefined` if the pass changed nothing there. */
  readonly presented: CertificatePair | undefined;
  /** Why a needed step could not be tried, or why it failed. */
  readonly failure: OperatorError | undefined;
  /** Whether a write succeeded or hit a conflict. The reconciler must then observe everything again. */
  readonly isChanged: boolean;
}

export interface Targets {
  readonly secrets: SecretStore;
  readonly registrations: RegistrationStore;
  readonly present: (pair: CertificatePair) => void;
  readonly logic: CertificateLogic;
}

/**
 * Takes the steps of the plan that are not held, each with a conditional write, and returns their results.
 *
 * The CA bundle must be in force before the endpoint presents a certificate that depends on it. So a write to the
 * Secret postpones the write to the registration until the next observation, and a write to either object postpones the
 * swap of the certificate until the CA bundle was read back. A step that fails does not prevent the next step.
 */
export async function apply(
  plan: LimitedPlan,
  { secrets, registrations, present, logic }: Targets,
): Promise<PassOutcome> {
  const { step: pair, isFirst } = plan.presentation;
  // The endpoint must present a certificate before the registration makes API servers call the endpoint.
  if (isFirst && pair) present(pair);
  const secret = await take(plan.secret, plan.held.secret, (step) => takeSecretStep(secrets, logic, step));
  const registration = isTried(secret)
    ? ({ result: 'skipped' } as const)
    : await take(plan.registration, plan.held.registration, (step) => writeRegistration(registrations, step));
  const isChanged = isTried(secret) || isTried(registration);
  const isSwapped = !isFirst && pair !== undefined && !isChanged;
  if (isSwapped) present(pair);
  return {
    plan,
    secret,
    registration,
    presented: isFirst || isSwapped ? pair : undefined,
    failure: plan.failure ?? secret.error ?? registration.error,
    isChanged,
  };
}

async function take<Step, Value>(
  { step }: Planned<Step>,
  held: WriteHold | undefined,
  write: (step: Step) => Promise<Value | undefined>,
): Promise<StepOutcome<Value>> {
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

/** Returns whether the step wrote the object or met a conflict. A step that failed does not count as tried. */
export const isTried = ({ result }: StepOutcome<unknown>): boolean => result === 'written' || result === 'lost';
