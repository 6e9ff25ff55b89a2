import { isDeepStrictEqual } from 'node:util';
import type {
  V1LabelSelector,
  V1LabelSelectorRequirement,
  V1MutatingWebhookConfiguration,
} from '@kubernetes/client-node';
import { requirementsOf } from '../policy/namespace-selector.ts';
import { parseSelector } from '../policy/parse.ts';
import type { LabelSelector } from '../policy/policy.ts';

/**
 * The annotation with the namespace selector of the policy, as JSON. When the policy changes, the daemon removes from
 * the webhook only the requirements that this annotation lists. `managedFields` cannot replace the annotation, because
 * it tracks a label selector as one field and does not show who wrote a requirement.
 */
export const SELECTOR_ANNOTATION = 'terraform.job.kb.io/namespace-selector';

/** Returns the namespace selector in the annotation; `undefined` if it is missing or invalid. */
export function publishedSelector(live: V1MutatingWebhookConfiguration | undefined): LabelSelector | undefined {
  const text = live?.metadata?.annotations?.[SELECTOR_ANNOTATION];
  return text === undefined ? undefined : parseSelector(text);
}

/**
 * Returns the annotation for the namespace selector of the policy. An existing annotation is set to `{}` when the policy
 * has no selector, because a server-side apply does not remove an annotation that another manager also owns.
 */
export function selectorAnnotation(
  selector: LabelSelector | undefined,
  live: V1MutatingWebhookConfiguration | undefined,
): Readonly<Record<string, string>> {
  const isThere = live?.metadata?.annotations?.[SELECTOR_ANNOTATION] !== undefined;
  return selector || isThere ? { [SELECTOR_ANNOTATION]: JSON.stringify(selector ?? {}) } : {};
}

/**
 * Returns the namespace selector of the webhook: the requirements of the policy and the requirements of other writers.
 * Platforms such as AKS add requirements and would add them again if the daemon removed them.
 *
 * @param current the selector of the live webhook.
 * @param published the selector of the previous policy, whose requirements are removed.
 */
export function mergedSelector(
  current: V1LabelSelector | undefined,
  wanted: LabelSelector | undefined,
  published: LabelSelector | undefined,
): V1LabelSelector {
  const { matchExpressions = [], ...others } = current ?? {};
  const own = plain(requirementsOf(wanted ?? {}));
  const obsolete = plain(requirementsOf(published ?? {})).filter((one) => !includes(own, one));
  const kept = plain(matchExpressions).filter((one) => !includes(obsolete, one));
  const merged = [...kept, ...own.filter((one) => !includes(kept, one))];
  return merged.length > 0 ? { ...others, matchExpressions: merged } : others;
}

const includes = (list: readonly object[], one: object): boolean => list.some((other) => isDeepStrictEqual(other, one));

/** Converts instances of client classes to plain JSON, without fields that are `undefined`. */
const plain = (list: readonly object[]): V1LabelSelectorRequirement[] => JSON.parse(JSON.stringify(list));
