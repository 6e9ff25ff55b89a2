import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { otherWriter, wroteField } from '../kube/managed-fields.ts';
import { type DesiredRegistration, ownWebhook, WEBHOOK_NAME } from './desired.ts';

/**
 * The fields of the webhook that depend on the options, the policy and the version of a replica. The CA bundle is not
 * included, because it comes from the Secret; nor are the selectors, which other writers may change.
 */
export type WebhookSpec = Readonly<Record<string, unknown>>;

/** Returns the webhook as plain JSON without CA bundle and selectors. */
export function specOf({ namespaceSelector, objectSelector, clientConfig, ...rest }: V1MutatingWebhook): WebhookSpec {
  const { caBundle, ...address } = clientConfig;
  // Remove nulls, which the API server treats as absent.
  return JSON.parse(
    JSON.stringify({ ...rest, clientConfig: address }, (_field, part) => (part === null ? undefined : part)),
  );
}

/** Returns the last writer of the webhook configuration outside this install, for messages; `undefined` if unknown. */
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

/** Returns the Service or the host name of the endpoint, without port and path. */
function addressee({ clientConfig: { service, url } }: V1MutatingWebhook): unknown {
  if (service) return [service.namespace, service.name];
  return url && URL.canParse(url) ? new URL(url).hostname : url;
}

/** Returns the `managedFields` paths of the webhook's address. */
function addressFields({ clientConfig: { service } }: V1MutatingWebhook): string[][] {
  const client = ['f:webhooks', `k:{"name":"${WEBHOOK_NAME}"}`, 'f:clientConfig'];
  return service ? ['f:namespace', 'f:name'].map((field) => [...client, 'f:service', field]) : [[...client, 'f:url']];
}
