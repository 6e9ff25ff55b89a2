import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { fromBase64, type Pem } from '../lib/pem.ts';
import { type DesiredRegistration, type DesiredWebhook, ownWebhook, WEBHOOK_NAME } from './desired.ts';
import { drift } from './drift.ts';

/** The one MutatingWebhookConfiguration of the daemon. */
export interface RegistrationStore {
  read(): Promise<V1MutatingWebhookConfiguration | undefined>;
  /**
   * Server-side apply: creates or updates our entry and leaves those of others. Answers the object as stored.
   *
   * @param live as it was read before; absent when there was none.
   */
  apply(desired: DesiredRegistration, live?: V1MutatingWebhookConfiguration): Promise<V1MutatingWebhookConfiguration>;
  /** Replaces the entry at an index of `webhooks` as a whole, on the state given: also what an apply cannot take out. */
  replaceEntry(
    live: V1MutatingWebhookConfiguration,
    index: number,
    entry: DesiredWebhook,
  ): Promise<V1MutatingWebhookConfiguration>;
}

export interface Registered {
  readonly result: 'created' | 'updated' | 'unchanged' | 'held';
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

/** Asked before a write: whether it may be made now. Without drift there was no registration at all. */
export type MayWrite = (drift: readonly string[]) => boolean;

/**
 * Makes the live registration what it should be; writes only when an owned field differs.
 *
 * @param desired as made from `live`, which `store.read()` answered just before: a write on a newer state is refused
 *   and to be tried again.
 */
export async function reconcileRegistration(
  store: RegistrationStore,
  desired: DesiredRegistration,
  live: V1MutatingWebhookConfiguration | undefined,
  mayWrite: MayWrite = () => true,
): Promise<Registered> {
  const fields = live === undefined ? [] : drift(live, desired);
  const now = liveBundle(live) ?? ('' as Pem);
  if (live !== undefined && fields.length === 0) return { result: 'unchanged', drift: [], liveBundle: now };
  if (!mayWrite(fields)) return { result: 'held', drift: fields, liveBundle: now };
  const stored = await applyWhole(store, desired, live);
  return {
    result: live === undefined ? 'created' : 'updated',
    drift: fields,
    liveBundle: liveBundle(stored) ?? ('' as Pem),
  };
}

/**
 * An apply owns match conditions one by one, so it leaves those that somebody else added: one that is never true would
 * silence the webhook for good.
 */
async function applyWhole(
  store: RegistrationStore,
  desired: DesiredRegistration,
  live: V1MutatingWebhookConfiguration | undefined,
): Promise<V1MutatingWebhookConfiguration> {
  const stored = await store.apply(desired, live);
  if (drift(stored, desired).length === 0) return stored;
  const index = stored.webhooks?.findIndex(({ name }) => name === WEBHOOK_NAME) ?? 0;
  return store.replaceEntry(stored, index, desired.webhooks[0]);
}
