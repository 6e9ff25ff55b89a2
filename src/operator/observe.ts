import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { ServingCertificates } from '../certs/certificate-set.ts';
import type { StoredSecret } from '../certs/secret.ts';
import type { SecretStore } from '../certs/secret-step.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Policy } from '../policy/policy.ts';
import type { RegistrationStore } from '../registration/registration-step.ts';

/** A value that was read, or the error of the read. */
export type Observation<Value> = { readonly value: Value } | { readonly error: OperatorError };

/**
 * The phases of a daemon after its start, in this order:
 *
 * - `starting`: no pass has succeeded yet, and a readiness check fails.
 * - `serving`: a pass has succeeded, or all readiness checks pass, so API servers can call the endpoint.
 * - `running`: a pass in the phase `serving` has succeeded, and before that pass began, the Lease was checked or the
 *   check timed out. The option `--rotate-on-start` takes effect only in this phase.
 */
export type DaemonPhase = 'starting' | 'serving' | 'running';

/** The input of the decisions of one pass. */
export interface Observed {
  readonly phase: DaemonPhase;
  /** Whether this replica publishes the webhook's spec; `undefined` until the Lease was checked. */
  readonly isLeaseHolder: boolean | undefined;
  readonly now: Date;
  /** Milliseconds on a monotonic clock. */
  readonly uptimeMs: number;
  readonly registration: Observation<V1MutatingWebhookConfiguration | undefined>;
  readonly certificates: Observation<
    { readonly stored: StoredSecret | undefined } | { readonly files: ServingCertificates }
  >;
  readonly policy: Policy;
}

/** The sources from which a pass reads its input. */
export interface Sources {
  readonly registrations: RegistrationStore;
  readonly secrets: SecretStore;
  /** Reads user-provided certificates instead of the Secret; `undefined` without `--webhook-cert-path`. */
  readonly readFiles: ((now: Date) => Promise<ServingCertificates>) | undefined;
  readonly isLeaseHolder: () => boolean | undefined;
  readonly policies: { readonly current: () => Policy };
  readonly now: () => Date;
  readonly uptimeMs: () => number;
}

/**
 * Reads the input of one pass: first the registration, then the certificates. With this order the CA bundle of a stale
 * Secret cannot replace a newer one: the API server refuses a write to a registration that has changed since it was
 * read.
 */
export async function observe(sources: Sources, phase: DaemonPhase): Promise<Observed> {
  const { registrations, secrets, readFiles, policies, now, uptimeMs } = sources;
  const registration = await reading(registrations.read());
  const at = now();
  // Decisions about certificates need the live CA bundle, so the certificates are not read without it.
  const readCertificates = async () => (readFiles ? { files: await readFiles(at) } : { stored: await secrets.read() });
  const certificates = 'error' in registration ? registration : await reading(readCertificates());
  const isLeaseHolder = sources.isLeaseHolder();
  const policy = policies.current();
  return { phase, isLeaseHolder, now: at, uptimeMs: uptimeMs(), registration, certificates, policy };
}

/** Resolves with the value of the call, or with its OperatorError. Any other error is a bug and is thrown. */
export async function reading<Value>(call: Promise<Value>): Promise<Observation<Value>> {
  try {
    return { value: await call };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { error };
  }
}
