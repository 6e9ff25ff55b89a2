import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { otherWriter, wroteAll } from '../kube/managed-fields.ts';
import { areSound } from '../policy/cel.ts';
import { type DesiredRegistration, type DesiredWebhook, ownWebhook, WEBHOOK_NAME } from './desired.ts';

/**
 * What the options, the policy and the version of a replica make of our entry: all but the CA bundle, which is made of
 * the Secret and the same for every replica, and the selectors, which are anybody's.
 */
export type Terms = Readonly<Record<string, unknown>> & { readonly clientConfig: Readonly<Record<string, unknown>> };

/** Where `managedFields` tells of our entry. */
const OWN_ENTRY = ['f:webhooks', `k:{"name":"${WEBHOOK_NAME}"}`];

export function termsOf(entry: V1MutatingWebhook): Terms {
  const { namespaceSelector, objectSelector, clientConfig, ...rest } = entry;
  const { caBundle, ...address } = clientConfig;
  return plain({ ...rest, clientConfig: address });
}

/**
 * The terms that another replica of this install has written, as one does whose options are newer or older: `undefined`
 * where they are ours, or not what a daemon has written, or of an install behind another Service, whose CA we have not.
 */
export function otherTerms(
  live: V1MutatingWebhookConfiguration | undefined,
  { webhooks: [own] }: DesiredRegistration,
): Terms | undefined {
  const current = ownWebhook(live);
  if (live === undefined || current === undefined) return undefined;
  const [terms, ours] = [termsOf(current), termsOf(own)];
  // Fields that are missing are nobody's; conditions are owned one by one, by names that the policy makes.
  const expected = { ...ours, matchConditions: terms.matchConditions };
  const isOfReplica =
    !isDeepStrictEqual(terms, ours) &&
    isDeepStrictEqual(addressee(current), addressee(own)) &&
    areSound(current.matchConditions ?? []) &&
    wroteAll(live.metadata, OWN_ENTRY, expected);
  return isOfReplica ? terms : undefined;
}

/** Who beside this replica wrote the registration last, in words for a person; `undefined` where nobody is known. */
export function lastWriter(
  live: V1MutatingWebhookConfiguration | undefined,
  { webhooks: [own] }: DesiredRegistration,
): string | undefined {
  const current = ownWebhook(live);
  const isOfOtherInstall =
    current !== undefined &&
    !isDeepStrictEqual(addressee(current), addressee(own)) &&
    wroteAll(live?.metadata, OWN_ENTRY, termsOf(current));
  if (!isOfOtherInstall) return otherWriter(live?.metadata);
  const { service, url } = current.clientConfig;
  return `terraform-daemon of ${service ? `Service ${service.namespace}/${service.name}` : url}`;
}

/** The registration with terms of another replica in place of our own; the CA bundle and the selectors are none of them. */
export function onTermsOf(desired: DesiredRegistration, terms: Terms): DesiredRegistration {
  const [own] = desired.webhooks;
  const clientConfig = { ...own.clientConfig, ...terms.clientConfig };
  return { ...desired, webhooks: [{ ...own, ...terms, clientConfig } as DesiredWebhook] };
}

/** Whose endpoint it is, without port and path. */
function addressee({ clientConfig: { service, url } }: V1MutatingWebhook): unknown {
  if (service) return [service.namespace, service.name];
  return url && URL.canParse(url) ? new URL(url).hostname : url;
}

/** Without the client's classes and without nulls, which are as good as absent. */
const plain = <T extends object>(value: T): Terms =>
  JSON.parse(JSON.stringify(value, (_field, part) => (part === null ? undefined : part)));
