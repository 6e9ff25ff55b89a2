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
  /**
   * The certificate that the endpoint presents since this pass, with its private key; `undefined` if the endpoint still
   * presents the same certificate as before the pass.
   */
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
 * Takes the planned steps in this order: write the Secret, write the registration, make the endpoint present another
 * certificate. Leaves out the writes that are delayed (`held`). Returns the results. Each write is conditional, so it
 * does not overwrite a newer change.
 *
 * The CA bundle must be in force before the endpoint presents a certificate that depends on it. So if the Secret was
 * written or has changed, the registration is not written. If one of these two objects was written or has changed, the
 * endpoint keeps its certificate. The daemon then reads all objects again and plans the next steps. A write that fails
 * does not prevent the other steps.
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

/**
 * Returns whether the step wrote the object or met a conflict with another writer; `false` if the step was left out or
 * has failed for another reason.
 */
export const isTried = ({ result }: StepOutcome<unknown>): boolean => result === 'written' || result === 'lost';
