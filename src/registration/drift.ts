import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { type DesiredRegistration, ownWebhook } from './desired.ts';

/**
 * The owned fields in which the live registration differs from the desired one, by name and sorted; empty when nothing
 * is to be written. Entries, labels and annotations of others are not looked at.
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

/** Why the registration is written: the same word in the log, metrics, Events and the docs. */
export const registrationReasons = {
  'no-registration': 'there was none',
  'entry-removed': 'our webhook entry was not in it',
  'ca-bundle': 'the CA bundle was another one',
  drift: 'fields of our entry were not as they should be',
} as const;

export type RegistrationReason = keyof typeof registrationReasons;

/** @param fields what `drift` answers; empty where there is no registration at all. */
export function driftReason(fields: readonly string[]): RegistrationReason {
  if (fields.length === 0) return 'no-registration';
  if (fields.includes('webhook')) return 'entry-removed';
  return fields.every((field) => field === 'clientConfig.caBundle') ? 'ca-bundle' : 'drift';
}

/** The names of the wanted fields which are not as they should be. */
function differing(wanted: object, current: object = {}): string[] {
  return Object.entries(wanted)
    .filter(([field, value]) => !isDeepStrictEqual(plain(current[field as keyof typeof current]), plain(value)))
    .map(([field]) => field);
}

/** Values as JSON would carry them: the client's own classes compare by content, and null is as good as absent. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
