import { createHash } from 'node:crypto';
import {
  DEFAULT_BACKOFF_LIMIT,
  type Labels,
  type Match,
  OPT_OUT_ANNOTATION,
  type Policy,
  type Rule,
} from './policy.ts';

/** One CEL expression of a webhook; all of them must hold before the API server calls. */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

const POD = 'object.spec.template.spec';

/** The API server writes the default into every Job; who calls without is told the same. */
const LIMIT = `(has(object.spec.backoffLimit) ? object.spec.backoffLimit : ${DEFAULT_BACKOFF_LIMIT})`;

const ON_CREATE = "request.operation == 'CREATE'";

/** A longer one is refused by the API server (100 000 code points). */
export const LONGEST_EXPRESSION = 60_000;

const RULE_CONDITION = 'a-rule-asks-for-a-change';

/**
 * The policy as CEL, so that the API server calls only for Jobs that need a change. Only functions of the oldest
 * supported CEL environment are used, and no field is read before it is known to be there: an error counts as "do not
 * call" under failurePolicy Ignore, and denies the Job under Fail.
 *
 * Whether a Job is finished or being deleted is read from `oldObject`: on CREATE the API server clears a status and a
 * deletionTimestamp only after admission, so a Job that is born "Failed" would slip by a condition on `object`.
 *
 * CEL of webhooks does not see the namespace, so `namespaceLabels` are taken to hold: the endpoint is called too often
 * rather than too seldom, and asks for them.
 *
 * The name of the last condition carries a digest of the policy: whoever reads the registration can tell another policy
 * that a replica published from an edit by hand.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
 */
export function matchConditions(policy: Policy): MatchCondition[] {
  return [
    ...commonConditions,
    { name: `${RULE_CONDITION}.${digestOf(needsAChange(policy))}`, expression: needsAChange(policy) },
  ];
}

/** Whether match conditions are those of some policy, as a daemon writes them. */
export function areSound(conditions: readonly MatchCondition[]): boolean {
  const own = conditions.find(({ name }) => name.startsWith(`${RULE_CONDITION}.`));
  return (
    own !== undefined &&
    own.name === `${RULE_CONDITION}.${digestOf(own.expression)}` &&
    conditions.length === commonConditions.length + 1 &&
    commonConditions.every(({ name, expression }) =>
      conditions.some((condition) => condition.name === name && condition.expression === expression),
    )
  );
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

const commonConditions: readonly MatchCondition[] = [
  {
    name: 'not-opted-out',
    expression: `!(${hasLabels('object.metadata.annotations', { [OPT_OUT_ANNOTATION]: 'true' })})`,
  },
  { name: 'not-deleting', expression: 'oldObject == null || !has(oldObject.metadata.deletionTimestamp)' },
  {
    name: 'not-finished',
    expression:
      'oldObject == null || !has(oldObject.status) || !has(oldObject.status.conditions)' +
      " || !oldObject.status.conditions.exists(c, (c.type == 'Complete' || c.type == 'Failed') && c.status == 'True')",
  },
];

/** One line for each rule: the first that matches answers, but one that may not match at all can only say yes. */
function needsAChange({ rules }: Policy): string {
  const lines = rules.map((rule) => {
    const [matches, needs] = [matchesCel(rule.match), `${lowers(rule)} || ${restarts(rule)}`];
    return rule.match.namespaceLabels === undefined
      ? `${matches} ? (${needs}) :`
      : `(${matches} && (${needs})) ? true :`;
  });
  return [...lines, 'false'].join('\n');
}

/**
 * The JSON Patch of a MutatingAdmissionPolicy, exact: `namespaceObject` is known there. As in the endpoint it only adds.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/#patch-type-json-patch
 */
export function jsonPatch({ rules }: Policy): string {
  const add = (path: string, value: string) => `[JSONPatch{op: 'add', path: '${path}', value: ${value}}]`;
  const lines = rules.map((rule) => {
    const { namespaceLabels, ...match } = rule.match;
    const namespace = namespaceLabels && hasLabels('namespaceObject.metadata.labels', namespaceLabels);
    const matches = [matchesCel(match), ...(namespace ? [namespace] : [])].join(' && ');
    const limit = `(${lowers(rule)} ? ${add('/spec/backoffLimit', String(rule.set.backoffLimit))} : [])`;
    const restart = `(${restarts(rule)} ? ${add('/spec/template/spec/restartPolicy', "'Never'")} : [])`;
    return `${matches} ? ${limit} + ${restart} :`;
  });
  return [...lines, '[]'].join('\n');
}

const lowers = ({ set }: Rule): string => `${LIMIT} > ${set.backoffLimit}`;

/** The Pod template is immutable: touching it on UPDATE would turn the user's request into a 422. */
const restarts = ({ set }: Rule): string =>
  set.restartPolicy === 'Never'
    ? `(${ON_CREATE} && (!has(${POD}.restartPolicy) || ${POD}.restartPolicy != 'Never'))`
    : 'false';

/** All but the namespace's labels. What is cheap to look at comes first. */
function matchesCel(match: Match): string {
  const { serviceAccountName, namespaces, jobName, labels, containerName } = match;
  const parts: string[] = [];
  if (namespaces) parts.push(anyPattern(namespaces, 'request.namespace'));
  if (serviceAccountName !== undefined) {
    parts.push(`has(${POD}.serviceAccountName) && ${POD}.serviceAccountName == ${celString(serviceAccountName)}`);
  }
  if (jobName !== undefined) parts.push(patternCel(jobName, "(has(object.metadata.name) ? object.metadata.name : '')"));
  if (labels) parts.push(hasLabels('object.metadata.labels', labels));
  if (containerName !== undefined) {
    // Go writes null for a list that is empty.
    const list = `has(${POD}.containers) && ${POD}.containers != null`;
    parts.push(`${list} && ${POD}.containers.exists(c, c.name == ${celString(containerName)})`);
  }
  return parts.join(' && ') || 'true';
}

function hasLabels(map: string, labels: Labels): string {
  const each = Object.entries(labels).map(
    ([name, value]) => `${celString(name)} in ${map} && ${map}[${celString(name)}] == ${celString(value)}`,
  );
  return [`has(${map})`, ...each].join(' && ');
}

function anyPattern(patterns: readonly string[], text: string): string {
  const names = patterns.filter((pattern) => !pattern.includes('*'));
  const list = names.length > 0 ? [`${text} in [${names.map(celString).join(', ')}]`] : [];
  const others = patterns.filter((pattern) => pattern.includes('*')).map((pattern) => patternCel(pattern, text));
  return `(${[...list, ...others].join(' || ')})`;
}

/** The same as `matchesPattern`. */
function patternCel(pattern: string, text: string): string {
  const parts = pattern.split('*');
  const [first = '', last = ''] = parts;
  if (parts.length === 1) return `${text} == ${celString(pattern)}`;
  if (parts.every((part) => part === '')) return 'true';
  if (parts.length === 2 && first === '') return `${text}.endsWith(${celString(last)})`;
  if (parts.length === 2 && last === '') return `${text}.startsWith(${celString(first)})`;
  const escaped = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  // RE2, where "." is any character but a newline unless it is told otherwise.
  return `${text}.matches(${celString(`(?s)^${escaped.join('.*')}$`)})`;
}

/**
 * A text as a literal of CEL, also one with quotes, backslashes and control characters.
 *
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md#string-and-bytes-values
 */
export function celString(text: string): string {
  const escaped = text
    .replace(/[\\']/g, '\\$&')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a literal of one line must not have them
    .replace(/[\u0000-\u001f\u007f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `'${escaped}'`;
}
