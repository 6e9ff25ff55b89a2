import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { ServingCertificates } from '../certs/certificate-set.ts';
import type { StoredSecret } from '../certs/secret.ts';
import type { SecretStore } from '../certs/secret-step.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Policy } from '../policy/policy.ts';
import type { RegistrationStore } from '../registration/registration-step.ts';

/** A value that was read, or why it could not be read. */
export type Observation<Value> = { readonly value: Value } | { readonly error: OperatorError };

/** `starting` until the first pass has succeeded: no API server is sent to this replica before. */
export type DaemonPhase = 'starting' | 'running';

/** Everything that a pass decides by. */
export interface Observed {
  readonly phase: DaemonPhase;
  /** Whether this replica publishes the webhook's spec. */
  readonly isLeaseHolder: boolean;
  readonly now: Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly uptimeMs: number;
  readonly registration: Observation<V1MutatingWebhookConfiguration | undefined>;
  readonly certificates: Observation<
    { readonly stored: StoredSecret | undefined } | { readonly files: ServingCertificates }
  >;
  readonly policy: Policy;
}

export interface Sources {
  readonly registrations: RegistrationStore;
  readonly secrets: SecretStore;
  /** Reads user-provided certificates, in the place of the Secret. */
  readonly readFiles: ((now: Date) => Promise<ServingCertificates>) | undefined;
  readonly isLeaseHolder: () => Promise<boolean>;
  readonly policies: { readonly current: () => Policy };
  readonly now: () => Date;
  readonly uptimeMs: () => number;
}

/**
 * Reads the registration first: a bundle that is made of a Secret read later is never older than the bundle which it
 * replaces, because a write on a registration that has changed since is refused.
 */
export async function observe(sources: Sources, phase: DaemonPhase): Promise<Observed> {
  const { registrations, secrets, readFiles, policies, now, uptimeMs } = sources;
  const registration = await reading(registrations.read());
  const at = now();
  // Without the live bundle nothing can be decided about the certificates, so that they are not read.
  const readCertificates = async () => (readFiles ? { files: await readFiles(at) } : { stored: await secrets.read() });
  const certificates = 'error' in registration ? registration : await reading(readCertificates());
  // Another replica publishes after it has taken the Lease: what is read after the registration is never too old.
  const isLeaseHolder = await sources.isLeaseHolder();
  const policy = policies.current();
  return { phase, isLeaseHolder, now: at, uptimeMs: uptimeMs(), registration, certificates, policy };
}

/** Anything but an expected failure is a bug, and is thrown. */
export async function reading<Value>(call: Promise<Value>): Promise<Observation<Value>> {
  try {
    return { value: await call };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { error };
  }
}
