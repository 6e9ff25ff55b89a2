import type { V1LabelSelector, V1MutatingWebhook } from '@kubernetes/client-node';

/** What the selectors of our entry ask for: the daemon keeps what others have put there. */
export interface Selected {
  /** Each requirement as `kubectl get -l` writes it. */
  readonly requirements: readonly string[];
  /** Whether one asks for a label to be there. Platforms add what excludes; this leaves out all that is not labelled. */
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
