import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { fromBase64, type Pem } from '../lib/pem.ts';
import { type DesiredRegistration, ownWebhook, WEBHOOK_NAME } from './desired.ts';
import { drift } from './drift.ts';

/** Access to the MutatingWebhookConfiguration of the daemon. */
export interface RegistrationStore {
  read(): Promise<V1MutatingWebhookConfiguration | undefined>;
  /**
   * Creates or updates the daemon's webhook by server-side apply. Resolves with the stored object.
   *
   * @param live the object as read before; absent if there was none.
   */
  apply(desired: DesiredRegistration, live?: V1MutatingWebhookConfiguration): Promise<V1MutatingWebhookConfiguration>;
  /**
   * Replaces the whole webhook at an index of `webhooks`, including values that a server-side apply cannot remove.
   *
   * @throws OperatorError `KUBE_CONFLICT` if the object was changed or deleted since it was read; the other `KUBE_…`
   * codes.
   */
  replaceEntry(
    live: V1MutatingWebhookConfiguration,
    index: number,
    entry: V1MutatingWebhook,
  ): Promise<V1MutatingWebhookConfiguration>;
}

/** Returns the CA bundle of the daemon's webhook; `undefined` if the webhook or the bundle is missing. */
export function liveBundle(live: V1MutatingWebhookConfiguration | undefined): Pem | undefined {
  const caBundle = ownWebhook(live)?.clientConfig.caBundle;
  return caBundle === undefined ? undefined : (fromBase64(caBundle) as Pem);
}

/** The webhook configuration as read, and the fields that must be written. */
export interface RegistrationFindings {
  readonly live: V1MutatingWebhookConfiguration | undefined;
  /** The webhook configuration for the options and the policy of this replica. */
  readonly desired: DesiredRegistration;
  /**
   * `whole`: every field of the webhook. `trust`: only the CA bundle, because another replica holds the Lease and
   * publishes the other fields.
   */
  readonly scope: 'whole' | 'trust';
  readonly isDrifted: boolean;
  /**
   * The names of the fields that this replica must write, because their live values differ from the desired values;
   * empty if there is no webhook configuration.
   */
  readonly drift: readonly string[];
  /** The names of the differing fields that only the holder of the Lease may write. */
  readonly leftToHolder: readonly string[];
}

const CA_BUNDLE = 'clientConfig.caBundle';

/**
 * Decides which fields this replica must write. Every replica, not only the holder of the Lease, restores a webhook that
 * is missing or has no rules, because without it the API server sends no Job to the endpoint.
 *
 * @param desired carries the resourceVersion of `live`, so that the API server refuses a write on a newer state.
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
 * Writes the webhook configuration, or only its CA bundle. Resolves with the stored object.
 *
 * @throws OperatorError `KUBE_CONFLICT` if the object was changed or deleted before its webhook was replaced; the other `KUBE_…` codes.
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
  // Replace the whole webhook, because a server-side apply keeps match conditions that another writer has added. A
  // condition that is always false would disable the webhook.
  return store.replaceEntry(stored, indexOfOwn(stored), desired.webhooks[0]);
}

const indexOfOwn = ({ webhooks = [] }: V1MutatingWebhookConfiguration): number =>
  webhooks.findIndex(({ name }) => name === WEBHOOK_NAME);
