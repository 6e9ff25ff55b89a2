import type { LabelSelector, Labels } from './policy.ts';

/** One condition on the labels of a namespace. A label of `matchLabels` is the same as `In` with one value. */
export type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/** Returns all requirements of a selector. A namespace must meet each of them. */
export const requirementsOf = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly Requirement[] => [
  ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In', values: [value] }) as const),
  ...matchExpressions,
];

/**
 * Returns whether the selector matches a namespace with these labels, by the rules of the API server.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
 */
export const isSelected = (selector: LabelSelector, labels: Labels): boolean =>
  requirementsOf(selector).every((requirement) => holds(requirement, labels));

function holds({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  // Read own properties only, because a label can have the name "constructor".
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  return (value !== undefined && values.includes(value)) === (operator === 'In');
}
