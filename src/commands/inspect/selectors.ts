import type { V1LabelSelector, V1MutatingWebhook } from '@kubernetes/client-node';

/** The selectors of our entry. The daemon keeps the requirements that others added. */
export interface Selected {
  /** In the notation of `kubectl get -l`. */
  readonly requirements: readonly string[];
  /** Whether a requirement needs a label. Platforms add exclusions; this one leaves out every object without the label. */
  readonly isNarrowed: boolean;
}

/** @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors */
export function readSelectors(webhook: V1MutatingWebhook | undefined): Selected {
  const parts = [
    ...requirementsOf('namespace', webhook?.namespaceSelector),
    ...requirementsOf('Job', webhook?.objectSelector),
  ];
  return {
    requirements: parts.map(({ text }) => text),
    isNarrowed: parts.some(({ isPositive }) => isPositive),
  };
}

function requirementsOf(what: string, { matchLabels, matchExpressions }: V1LabelSelector = {}) {
  const labels = Object.entries(matchLabels ?? {}).map(([key, value]) => ({
    text: `${what} ${key}=${value}`,
    isPositive: true,
  }));
  const expressions = (matchExpressions ?? []).map(({ key, operator, values = [] }) => ({
    text: `${what} ${key} ${operator}${values.length > 0 ? ` (${values.join(', ')})` : ''}`,
    isPositive: operator === 'In' || operator === 'Exists',
  }));
  return [...labels, ...expressions];
}
