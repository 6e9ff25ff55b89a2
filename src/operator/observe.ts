import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { ServingCertificates } from '../certs/certificate-set.ts';
import type { StoredSecret } from '../certs/secret.ts';
import type { SecretStore } from '../certs/secret-step.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Policy } from '../policy/policy.ts';
import type { RegistrationStore } from '../registration/registration-step.ts';

/** A value that was read, or why it could not be read. */
export type Observation<Value> = { readonly value: Value } | { readonly error: OperatorError };

/**
 * `starting` until the first pass has succeeded: no API server is sent to this replica before. `serving` until the holder of
 * the Lease has published its spec: what can wait waits for `running`.
 */
export type DaemonPhase = 'starting' | 'serving' | 'running';

/** Everything that a pass decides by. */
export interface Observed {
  readonly phase: DaemonPhase;
  /** Whether this replica publishes the webhook's spec; `undefined` until the Lease was checked. */
  readonly isLeaseHolder: boolean | undefined;
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
  readonly isLeaseHolder: () => boolean | undefined;
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
  const isLeaseHolder = sources.isLeaseHolder();
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
