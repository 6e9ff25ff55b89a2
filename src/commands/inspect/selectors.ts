import type { V1LabelSelector, V1MutatingWebhook } from '@kubernetes/client-node';
import { requirementsOf } from '../../policy/namespace-selector.ts';
import type { LabelSelector } from '../../policy/policy.ts';

/**
 * Returns the requirements of the webhook's selectors, and whether another writer has narrowed them. The selectors are
 * narrowed if another writer requires a label (`In`, `Exists`): the API server then skips every object without the
 * label. Exclusions (`NotIn`, `DoesNotExist`), which platforms add, are allowed.
 *
 * @param ofPolicy the namespace selector that the daemon has written.
 */
export function readSelectors(webhook: V1MutatingWebhook | undefined, ofPolicy: LabelSelector = {}) {
  const own = readSelector('namespace', ofPolicy).map(({ text }) => text);
  const parts = [
    ...readSelector('namespace', webhook?.namespaceSelector),
    ...readSelector('Job', webhook?.objectSelector),
  ];
  return {
    requirements: parts.map(({ text }) => text),
    isNarrowed: parts.some(({ text, isPositive }) => isPositive && !own.includes(text)),
  } as const;
}

const readSelector = (what: string, selector: V1LabelSelector | LabelSelector = {}) =>
  requirementsOf(selector as LabelSelector).map(({ key, operator, values = [] }) => ({
    text:
      operator === 'In' && values.length === 1
        ? `${what} ${key}=${values[0]}`
        : `${what} ${key} ${operator}${values.length > 0 ? ` (${values.join(', ')})` : ''}`,
    isPositive: operator === 'In' || operator === 'Exists',
  }));
