import type {
  AdmissionregistrationV1ServiceReference,
  V1MutatingWebhook,
  V1MutatingWebhookConfiguration,
} from '@kubernetes/client-node';
import { MANAGED_BY, MANAGED_BY_LABEL, type ObjectMetadata } from '../certs/secret-ownership.ts';
import { type Pem, toBase64 } from '../lib/pem.ts';
import type { MatchCondition } from '../policy/cel.ts';
import type { LabelSelector } from '../policy/policy.ts';
import { mergedSelector, publishedSelector, selectorAnnotation } from './namespace-selector.ts';

/** The name of the daemon's webhook in the MutatingWebhookConfiguration. */
export const WEBHOOK_NAME = 'modify.terraform.job.kb.io';

/**
 * A resourceVersion that no object has, because the first write to etcd has revision 2. A server-side apply with it creates
 * an object, and cannot change one that exists.
 */
const NEVER_STORED = '1';

/** The address at which the API server calls the endpoint. */
export type Target = { readonly url: string } | { readonly service: Required<AdmissionregistrationV1ServiceReference> };

/** The options that decide the desired webhook configuration. */
export interface RegistrationOptions {
  readonly name: string;
  readonly target: Target;
  readonly failurePolicy: 'Ignore' | 'Fail';
  readonly timeoutSeconds: number;
  /** The user's labels and annotations for each object of the daemon. */
  readonly metadata?: ObjectMetadata;
  /** The namespace selector of the policy. */
  readonly namespaceSelector?: LabelSelector | undefined;
}

/** The daemon's webhook, with every field that the API server would default. */
export type DesiredWebhook = Required<V1MutatingWebhook>;

/** The desired MutatingWebhookConfiguration: the body of a server-side apply. */
export interface DesiredRegistration extends V1MutatingWebhookConfiguration {
  readonly webhooks: [DesiredWebhook];
}

/** Returns the daemon's webhook in a MutatingWebhookConfiguration; `undefined` if it is missing. */
export const ownWebhook = (live: V1MutatingWebhookConfiguration | undefined): V1MutatingWebhook | undefined =>
  live?.webhooks?.find(({ name }) => name === WEBHOOK_NAME);

/**
 * Returns the desired MutatingWebhookConfiguration. Fields with a default are set explicitly, because values that the API
 * server fills in would look like drift.
 *
 * @param live the live object: its additions to selectors, and another manager's managed-by label, are kept.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function desiredRegistration(
  options: RegistrationOptions,
  { caBundle, matchConditions }: { readonly caBundle: Pem; readonly matchConditions: readonly MatchCondition[] },
  live?: V1MutatingWebhookConfiguration,
): DesiredRegistration {
  const current = ownWebhook(live);
  const { namespaceSelector } = options;
  const annotations = { ...options.metadata?.annotations, ...selectorAnnotation(namespaceSelector, live) };
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: {
      name: options.name,
      labels: { ...options.metadata?.labels, ...(isOthers(live) ? {} : MANAGED_BY) },
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      // The API server answers 409 if the object has changed since it was read, or was created since.
      resourceVersion: live?.metadata?.resourceVersion ?? NEVER_STORED,
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

/** Whether the managed-by label names another manager. */
function isOthers(live: V1MutatingWebhookConfiguration | undefined): boolean {
  const manager = live?.metadata?.labels?.[MANAGED_BY_LABEL];
  return manager !== undefined && manager !== MANAGED_BY[MANAGED_BY_LABEL];
}

/** Whether the object has the managed-by label of another manager, or webhooks other than the daemon's. */
export const isShared = (live: V1MutatingWebhookConfiguration | undefined): boolean =>
  isOthers(live) || !!live?.webhooks?.some(({ name }) => name !== WEBHOOK_NAME);

/**
 * Returns the target with the unused one of `url` and `service` set to null. Otherwise a server-side apply would keep the
 * value of another manager, and the API server refuses a webhook with both.
 */
const exactly = (target: Target): Target => ({ url: null, service: null, ...target }) as unknown as Target;
