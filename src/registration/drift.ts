import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { type DesiredRegistration, ownWebhook } from './desired.ts';

/**
 * Returns the sorted names of the daemon's fields that differ between the live and the desired webhook configuration;
 * empty if no write is needed. Webhooks, labels and annotations of other managers are ignored.
 */
export function drift(live: V1MutatingWebhookConfiguration, desired: DesiredRegistration): string[] {
  const [wanted] = desired.webhooks;
  const current = ownWebhook(live);
  if (current === undefined) return ['webhook'];
  const { clientConfig: wantedClient, ...wantedFields } = wanted;
  return [
    ...differing(wantedFields, current),
    ...differing(wantedClient, current.clientConfig).map((field) => `clientConfig.${field}`),
    ...differing(desired.metadata?.labels ?? {}, live.metadata?.labels).map((label) => `labels.${label}`),
    ...differing(desired.metadata?.annotations ?? {}, live.metadata?.annotations).map((name) => `annotations.${name}`),
  ].sort();
}

/**
 * The reasons for which the daemon writes the webhook configuration. A key is the reason in logs and metrics, and its
 * value is the text in Events and in the docs.
 */
export const registrationReasons = {
  'no-registration': 'the webhook configuration did not exist',
  'entry-removed': 'the webhook of terraform-daemon was missing',
  'ca-bundle': 'the CA bundle of the webhook differed from the desired one',
  drift: 'fields of the webhook differed from the desired ones',
} as const;

export type RegistrationReason = keyof typeof registrationReasons;

/**
 * Returns why the webhook configuration must be written.
 *
 * @param fields the result of `drift`; empty if there is no webhook configuration.
 */
export function driftReason(fields: readonly string[]): RegistrationReason {
  if (fields.length === 0) return 'no-registration';
  if (fields.includes('webhook')) return 'entry-removed';
  return fields.every((field) => field === 'clientConfig.caBundle') ? 'ca-bundle' : 'drift';
}

/** Returns the names of the desired fields whose current value differs. */
function differing(wanted: object, current: object = {}): string[] {
  return Object.entries(wanted)
    .filter(([field, value]) => !isDeepStrictEqual(plain(current[field as keyof typeof current]), plain(value)))
    .map(([field]) => field);
}

/** Converts a value to plain JSON, to compare instances of client classes by content. An absent value becomes null. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
