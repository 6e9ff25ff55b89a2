import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { fromBase64, type Pem } from '../encodings.ts';
import type { MatchCondition } from '../policy.ts';
import { type DesiredRegistration, desiredRegistration, ownWebhook, type RegistrationOptions } from './desired.ts';
import { drift } from './drift.ts';

/** The one MutatingWebhookConfiguration of the daemon. */
export interface RegistrationStore {
  read(): Promise<V1MutatingWebhookConfiguration | undefined>;
  /** Server-side apply: creates or updates our entry and leaves those of others. Answers the object as stored. */
  apply(desired: DesiredRegistration): Promise<V1MutatingWebhookConfiguration>;
}

export interface Registered {
  readonly result: 'created' | 'updated' | 'unchanged';
  /** The fields that were not as they should be. */
  readonly drift: readonly string[];
  /** What the API server verifies the endpoint with now, as read back from it. */
  readonly liveBundle: Pem;
}

/** The CA bundle of our entry in a live registration. */
export function liveBundle(live: V1MutatingWebhookConfiguration | undefined): Pem | undefined {
  const caBundle = ownWebhook(live)?.clientConfig.caBundle;
  return caBundle === undefined ? undefined : (fromBase64(caBundle) as Pem);
}

/**
 * Makes the live registration what it should be; writes only when an owned field differs.
 *
 * @param live what `store.read()` answered just before: a write on a newer state is refused and to be tried again.
 */
export async function reconcileRegistration(
  store: RegistrationStore,
  options: RegistrationOptions,
  wanted: { readonly caBundle: Pem; readonly matchConditions: readonly MatchCondition[] },
  live: V1MutatingWebhookConfiguration | undefined,
): Promise<Registered> {
  const desired = desiredRegistration(options, wanted.caBundle, wanted.matchConditions, live);
  const fields = live === undefined ? [] : drift(live, desired);
  if (live !== undefined && fields.length === 0) {
    return { result: 'unchanged', drift: [], liveBundle: wanted.caBundle };
  }
  const stored = await store.apply(desired);
  return {
    result: live === undefined ? 'created' : 'updated',
    drift: fields,
    liveBundle: liveBundle(stored) ?? ('' as Pem),
  };
}
