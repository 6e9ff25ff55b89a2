import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { fromBase64, type Pem } from '../lib/pem.ts';
import { type DesiredRegistration, ownWebhook, WEBHOOK_NAME } from './desired.ts';
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
  /**
   * Replaces the entry at an index of `webhooks` as a whole, on the state given: also what an apply cannot take out.
   *
   * @throws OperatorError `KUBE_CONFLICT` if the registration was changed or deleted since; the other `KUBE_…` codes.
   */
  replaceEntry(
    live: V1MutatingWebhookConfiguration,
    index: number,
    entry: V1MutatingWebhook,
  ): Promise<V1MutatingWebhookConfiguration>;
}

/** The CA bundle of our entry in a live registration. */
export function liveBundle(live: V1MutatingWebhookConfiguration | undefined): Pem | undefined {
  const caBundle = ownWebhook(live)?.clientConfig.caBundle;
  return caBundle === undefined ? undefined : (fromBase64(caBundle) as Pem);
}

/** The registration as it was read, and what must be written. */
export interface RegistrationFindings {
  readonly live: V1MutatingWebhookConfiguration | undefined;
  /** Our entry with the options and the policy of this replica. */
  readonly desired: DesiredRegistration;
  /**
   * `whole`: the entry with all its fields. `trust`: the CA bundle alone, because another replica holds the Lease and
   * publishes the rest.
   */
  readonly scope: 'whole' | 'trust';
  readonly isDrifted: boolean;
  /** The fields in scope that differ, by name; empty if there is no registration at all. */
  readonly drift: readonly string[];
  /** The fields out of scope that differ: the holder of the Lease has other options or another policy. */
  readonly leftToHolder: readonly string[];
}

const CA_BUNDLE = 'clientConfig.caBundle';

/**
 * Decides what must be written. Every replica restores a missing registration, and an entry that is missing or has no
 * rules, as a whole: without it no Job is sent to any endpoint.
 *
 * @param desired made from `live`, so that a write on a newer state is refused.
 */
export function decideRegistration(
  live: V1MutatingWebhookConfiguration | undefined,
  desired: DesiredRegistration,
  isHolder: boolean,
): RegistrationFindings {
  const isWhole = isHolder || !ownWebhook(live)?.rules?.length;
  const fields = live ? drift(live, desired) : [];
  const inScope = fields.filter((field) => isWhole || field === CA_BUNDLE);
  return {
    live,
    desired,
    scope: isWhole ? 'whole' : 'trust',
    isDrifted: live === undefined || inScope.length > 0,
    drift: inScope,
    leftToHolder: fields.filter((field) => !inScope.includes(field)),
  };
}

/**
 * Writes what was found to differ, on the state that was read.
 *
 * @throws OperatorError `KUBE_CONFLICT` if the registration has changed since; the other `KUBE_…` codes.
 */
export async function writeRegistration(
  store: RegistrationStore,
  { live, desired, scope }: RegistrationFindings,
): Promise<V1MutatingWebhookConfiguration> {
  const current = ownWebhook(live);
  if (scope === 'trust' && live && current) {
    const { caBundle } = desired.webhooks[0].clientConfig;
    const clientConfig = { ...current.clientConfig, ...(caBundle === undefined ? {} : { caBundle }) };
    return store.replaceEntry(live, indexOfOwn(live), { ...current, clientConfig });
  }
  const stored = await store.apply(desired, live);
  if (drift(stored, desired).length === 0) return stored;
  // An apply owns match conditions one by one and leaves those that somebody else added. A condition that is never
  // true would silence the webhook for good.
  return store.replaceEntry(stored, indexOfOwn(stored), desired.webhooks[0]);
}

const indexOfOwn = ({ webhooks = [] }: V1MutatingWebhookConfiguration): number =>
  webhooks.findIndex(({ name }) => name === WEBHOOK_NAME);
