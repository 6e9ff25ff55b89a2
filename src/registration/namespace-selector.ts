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
 * The selector that a daemon has put into our entry, as JSON: only what stands here is taken out when the policy changes.
 * `managedFields` cannot tell: to the API server a label selector is one field, whoever has written which part.
 */
export const SELECTOR_ANNOTATION = 'terraform.job.kb.io/namespace-selector';

/** The selector of the policy that our entry was written for, as far as the annotation tells. */
export function publishedSelector(live: V1MutatingWebhookConfiguration | undefined): LabelSelector | undefined {
  const text = live?.metadata?.annotations?.[SELECTOR_ANNOTATION];
  return text === undefined ? undefined : parseSelector(text);
}

/**
 * The annotation for a policy's selector. If there was one, it stays with `{}` in it: with a server-side apply an
 * annotation that is left out may be another manager's and stay as it is.
 */
export function selectorAnnotation(
  selector: LabelSelector | undefined,
  live: V1MutatingWebhookConfiguration | undefined,
): { readonly annotations?: Record<string, string> } {
  const isThere = live?.metadata?.annotations?.[SELECTOR_ANNOTATION] !== undefined;
  return selector || isThere ? { annotations: { [SELECTOR_ANNOTATION]: JSON.stringify(selector ?? {}) } } : {};
}

/**
 * The selector for our entry: what the policy asks for beside what others have put there, as all of it must hold. Platforms
 * add requirements of their own, and taking them out would start a conflict without end (AKS does so).
 *
 * @param current the selector of the live entry. If nothing of ours is missing or left over, it is answered as it is.
 * @param published what a daemon has put into it.
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

/** Without the classes of the client, in which an absent field is `undefined`. */
const plain = (list: readonly object[]): V1LabelSelectorRequirement[] => JSON.parse(JSON.stringify(list));
