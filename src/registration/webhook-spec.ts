import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { otherWriter, wroteField } from '../kube/managed-fields.ts';
import { type DesiredRegistration, ownWebhook, WEBHOOK_NAME } from './desired.ts';

/**
 * What the options, the policy and the version of a replica make of our entry. The CA bundle is not part of it, because
 * it is made of the Secret and the same for every replica; nor are the selectors, which belong to anybody.
 */
export type WebhookSpec = Readonly<Record<string, unknown>>;

export function specOf({ namespaceSelector, objectSelector, clientConfig, ...rest }: V1MutatingWebhook): WebhookSpec {
  const { caBundle, ...address } = clientConfig;
  // Without nulls, which the API server treats as absent.
  return JSON.parse(
    JSON.stringify({ ...rest, clientConfig: address }, (_field, part) => (part === null ? undefined : part)),
  );
}

/** The last writer of the registration beside this install, in words for a person; `undefined` if none is known. */
export function lastWriter(
  live: V1MutatingWebhookConfiguration | undefined,
  { webhooks: [own] }: DesiredRegistration,
): string | undefined {
  const current = ownWebhook(live);
  const isElsewhere = current !== undefined && !isDeepStrictEqual(addressee(current), addressee(own));
  const isOfOtherInstall = isElsewhere && addressFields(current).every((path) => wroteField(live?.metadata, path));
  if (!isOfOtherInstall) return otherWriter(live?.metadata);
  const { service, url } = current.clientConfig;
  return `terraform-daemon of ${service ? `Service ${service.namespace}/${service.name}` : url}`;
}

/** Whose endpoint it is, without port and path. */
function addressee({ clientConfig: { service, url } }: V1MutatingWebhook): unknown {
  if (service) return [service.namespace, service.name];
  return url && URL.canParse(url) ? new URL(url).hostname : url;
}

/** Where `managedFields` lists the address of our entry. */
function addressFields({ clientConfig: { service } }: V1MutatingWebhook): string[][] {
  const client = ['f:webhooks', `k:{"name":"${WEBHOOK_NAME}"}`, 'f:clientConfig'];
  return service ? ['f:namespace', 'f:name'].map((field) => [...client, 'f:service', field]) : [[...client, 'f:url']];
}
