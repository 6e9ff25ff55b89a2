import type {
  AdmissionregistrationV1ServiceReference,
  V1MutatingWebhook,
  V1MutatingWebhookConfiguration,
} from '@kubernetes/client-node';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../certs/secret.ts';
import { type Pem, toBase64 } from '../lib/pem.ts';
import type { MatchCondition } from '../policy/cel.ts';
import type { LabelSelector } from '../policy/policy.ts';
import { mergedSelector, publishedSelector, selectorAnnotation } from './namespace-selector.ts';

/** The name of the one webhook in the registration. */
export const WEBHOOK_NAME = 'modify.terraform.job.kb.io';

/** How the API server finds the endpoint. */
export type Target = { readonly url: string } | { readonly service: Required<AdmissionregistrationV1ServiceReference> };

export interface RegistrationOptions {
  readonly name: string;
  readonly target: Target;
  readonly failurePolicy: 'Ignore' | 'Fail';
  readonly timeoutSeconds: number;
  /** That of the policy in force. */
  readonly namespaceSelector?: LabelSelector | undefined;
}

/** Our entry, with every field that the API server would fill in. */
export type DesiredWebhook = Required<V1MutatingWebhook>;

/** The whole wanted registration: the body of a server-side apply. */
export interface DesiredRegistration extends V1MutatingWebhookConfiguration {
  readonly webhooks: [DesiredWebhook];
}

/** The entry that is ours among those of a live registration. */
export const ownWebhook = (live: V1MutatingWebhookConfiguration | undefined): V1MutatingWebhook | undefined =>
  live?.webhooks?.find(({ name }) => name === WEBHOOK_NAME);

/**
 * The registration as it should be. Fields with a default are spelled out: what the API server filled in would
 * otherwise look like drift for ever.
 *
 * @param live what others have added to the selectors of our own entry is kept, and so is a label of another manager.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function desiredRegistration(
  options: RegistrationOptions,
  { caBundle, matchConditions }: { readonly caBundle: Pem; readonly matchConditions: readonly MatchCondition[] },
  live?: V1MutatingWebhookConfiguration,
): DesiredRegistration {
  const current = ownWebhook(live);
  const { namespaceSelector } = options;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: {
      name: options.name,
      labels: isOthers(live) ? {} : MANAGED_BY,
      ...selectorAnnotation(namespaceSelector, live),
      // Only on the state that was looked at: should it change in between, the API server answers 409.
      ...(live?.metadata?.resourceVersion ? { resourceVersion: live.metadata.resourceVersion } : {}),
    },
    webhooks: [
      {
        name: WEBHOOK_NAME,
        admissionReviewVersions: ['v1'],
        clientConfig: { ...exactly(options.target), caBundle: toBase64(caBundle) },
        rules: [
          {
            apiGroups: ['batch'],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['jobs'],
            scope: '*',
          },
        ],
        matchConditions: matchConditions.map((condition) => ({ ...condition })),
        failurePolicy: options.failurePolicy,
        matchPolicy: 'Equivalent',
        namespaceSelector: mergedSelector(current?.namespaceSelector, namespaceSelector, publishedSelector(live)),
        objectSelector: current?.objectSelector ?? {},
        reinvocationPolicy: 'IfNeeded',
        sideEffects: 'None',
        timeoutSeconds: options.timeoutSeconds,
      },
    ],
  };
}

/** Whether somebody else says that it is theirs: our entry is in it, but it does not go with the install. */
function isOthers(live: V1MutatingWebhookConfiguration | undefined): boolean {
  const manager = live?.metadata?.labels?.[MANAGED_BY_LABEL];
  return manager !== undefined && manager !== MANAGED_BY[MANAGED_BY_LABEL];
}

/** Whether others manage the live registration too: by their label, or by entries of theirs. */
export const isShared = (live: V1MutatingWebhookConfiguration | undefined): boolean =>
  isOthers(live) || !!live?.webhooks?.some(({ name }) => name !== WEBHOOK_NAME);

/**
 * The target, and that there is no other: a URL or Service which another manager wrote stays beside an applied one
 * unless it is applied as null, and the API server refuses an entry with both.
 */
const exactly = (target: Target): Target => ({ url: null, service: null, ...target }) as unknown as Target;
