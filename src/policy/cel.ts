import { createHash } from 'node:crypto';
import { matchesCel } from './match-fields.ts';
import { OPT_OUT_ANNOTATION, type Policy } from './policy.ts';
import { hasEntriesCel } from './predicates.ts';
import { changesCel, isNeededCel } from './setting-fields.ts';

/** One match condition of a webhook. The API server calls the webhook only if all match conditions hold. */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/**
 * The longest CEL expression that a policy may become, in characters. The API server refuses more than 100,000 code
 * points.
 */
export const LONGEST_EXPRESSION = 60_000;

const RULE_CONDITION = 'a-rule-asks-for-a-change';

/**
 * Returns the policy as match conditions, so that the API server calls the webhook only for Jobs that need a change.
 * They use only functions of the oldest supported CEL environment, and read no field before `has()`: after an error
 * the API server skips the webhook (failurePolicy Ignore) or denies the Job (Fail).
 *
 * The conditions read from `oldObject` whether a Job has finished or is being deleted. On CREATE the API server
 * clears the status only after admission, so a condition on `object` would miss a Job that is created as "Failed".
 *
 * The name of the last condition ends with a digest of its expression. A condition that a replica published has the
 * right digest; one that a user edited by hand has not.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
 */
export const matchConditions = (policy: Policy): MatchCondition[] => conditionsWith(needsAChange(policy));

/** Returns whether a daemon could have written these match conditions for any policy. */
export function areSound(conditions: readonly MatchCondition[]): boolean {
  const ofRules = conditions.find(({ name }) => name.startsWith(`${RULE_CONDITION}.`));
  const sound = conditionsWith(ofRules?.expression ?? '');
  return (
    conditions.length === sound.length &&
    sound.every((one) => conditions.some(({ name, expression }) => name === one.name && expression === one.expression))
  );
}

const conditionsWith = (expression: string): MatchCondition[] => [
  ...commonConditions,
  { name: `${RULE_CONDITION}.${digestOf(expression)}`, expression },
];

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

const commonConditions: readonly MatchCondition[] = [
  {
    name: 'not-opted-out',
    expression: `!(${hasEntriesCel('object.metadata.annotations', { [OPT_OUT_ANNOTATION]: 'true' })})`,
  },
  { name: 'not-deleting', expression: 'oldObject == null || !has(oldObject.metadata.deletionTimestamp)' },
  {
    name: 'not-finished',
    expression:
      'oldObject == null || !has(oldObject.status) || !has(oldObject.status.conditions)' +
      " || !oldObject.status.conditions.exists(c, (c.type == 'Complete' || c.type == 'Failed') && c.status == 'True')",
  },
];

/** Returns a CEL expression with one line for each rule. The first rule that matches decides. */
const needsAChange = ({ rules }: Policy): string =>
  [...rules.map(({ match, set }) => `${matchesCel(match)} ? (${isNeededCel(set)}) :`), 'false'].join('\n');

/**
 * Returns the JSON Patch of a MutatingAdmissionPolicy as CEL. Like the patch of the endpoint it has only `add`
 * operations.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/#patch-type-json-patch
 */
export const jsonPatch = ({ rules }: Policy): string =>
  [...rules.map(({ match, set }) => `${matchesCel(match)} ? ${changesCel(set)} :`), '[]'].join('\n');
