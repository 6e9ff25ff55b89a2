import type { V1LabelSelector, V1MutatingWebhook } from '@kubernetes/client-node';
import { requirementsOf } from '../../policy/namespace-selector.ts';
import type { LabelSelector } from '../../policy/policy.ts';

/**
 * Reads the selectors of our entry: requirements of the policy, and requirements of other writers, which the daemon
 * keeps. The entry is narrowed if a requirement of another writer needs a label: platforms add exclusions, but such a
 * requirement leaves out every object without the label.
 *
 * @param ofPolicy the selector that the daemon has written.
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
