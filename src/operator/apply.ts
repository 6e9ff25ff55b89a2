import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { CertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair, CertificateSet } from '../certs/certificate-set.ts';
import { type SecretStore, takeSecretStep } from '../certs/secret-step.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Pem } from '../lib/pem.ts';
import { type RegistrationStore, writeRegistration } from '../registration/registration-step.ts';
import type { LimitedPlan, WriteHold } from './limit.ts';
import type { Planned } from './plan.ts';

/** What became of a planned step. `lost`: the object has changed since it was read. `skipped`: an earlier step comes first. */
export interface StepOutcome<Value> {
  readonly result: 'none' | 'held' | 'skipped' | 'written' | 'lost' | 'failed';
  /** What was written. */
  readonly value?: Value;
  readonly error?: OperatorError;
}

export interface PassOutcome {
  readonly plan: LimitedPlan;
  readonly secret: StepOutcome<CertificateSet>;
  readonly registration: StepOutcome<V1MutatingWebhookConfiguration>;
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
  // The endpoint answers before any API server is told to call it.
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
    presented: isFirst || isSwapped ? pair?.certificate : undefined,
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

/** Whether the API server was asked to write: a write that was refused or never arrived changes nothing. */
export const isTried = ({ result }: StepOutcome<unknown>): boolean => result === 'written' || result === 'lost';
