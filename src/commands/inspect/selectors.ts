import type { V1LabelSelector, V1MutatingWebhook } from '@kubernetes/client-node';
import { type Requirement, requirementsOf } from '../../policy/namespace-selector.ts';
import type { LabelSelector } from '../../policy/policy.ts';

/** The selectors of our entry: the policy's requirements, and those that others have added and the daemon keeps. */
export interface Selected {
  /** In the notation of `kubectl get -l`. */
  readonly requirements: readonly string[];
  /** Whether a requirement beside the policy's needs a label. Platforms add exclusions; this one leaves out every object without the label. */
  readonly isNarrowed: boolean;
}

/**
 * @param ofPolicy the selector that the daemon has put there.
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function readSelectors(webhook: V1MutatingWebhook | undefined, ofPolicy: LabelSelector = {}): Selected {
  const own = requirementsOf(ofPolicy).map((requirement) => textOf('namespace', requirement));
  const parts = [...partsOf('namespace', webhook?.namespaceSelector), ...partsOf('Job', webhook?.objectSelector)];
  return {
    requirements: parts.map(({ text }) => text),
    isNarrowed: parts.some(({ text, isPositive }) => isPositive && !own.includes(text)),
  };
}

function partsOf(what: string, { matchLabels, matchExpressions }: V1LabelSelector = {}) {
  const labels = Object.entries(matchLabels ?? {}).map(([key, value]) => ({
    text: `${what} ${key}=${value}`,
    isPositive: true,
  }));
  const expressions = (matchExpressions ?? []).map((requirement) => ({
    text: textOf(what, requirement),
    isPositive: requirement.operator === 'In' || requirement.operator === 'Exists',
  }));
  return [...labels, ...expressions];
}

const textOf = (what: string, { key, operator, values = [] }: Requirement | RequirementInCluster): string =>
  `${what} ${key} ${operator}${values.length > 0 ? ` (${values.join(', ')})` : ''}`;

type RequirementInCluster = NonNullable<V1LabelSelector['matchExpressions']>[number];
