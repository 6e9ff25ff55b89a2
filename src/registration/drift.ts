import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { type DesiredRegistration, type DesiredWebhook, ownWebhook } from './desired.ts';

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
    ...differing(current, wantedFields),
    ...differing({ url: undefined, service: undefined, ...current.clientConfig }, clientFields(wantedClient)).map(
      (field) => `clientConfig.${field}`,
    ),
    ...differing(live.metadata?.labels ?? {}, desired.metadata?.labels ?? {}).map((label) => `labels.${label}`),
  ].sort();
}

/** A URL where a Service is wanted, or the other way round, is drift as well. */
const clientFields = (client: DesiredWebhook['clientConfig']): object => ({
  url: undefined,
  service: undefined,
  ...client,
});

function differing(current: object, wanted: object): string[] {
  return Object.entries(wanted)
    .filter(([field, value]) => !isDeepStrictEqual(plain(current[field as keyof typeof current]), plain(value)))
    .map(([field]) => field);
}

/** Values as JSON would carry them: the client's own classes and absent fields compare by content. */
const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
