import { createHash } from 'node:crypto';
import { matchesCel } from './match-fields.ts';
import { OPT_OUT_ANNOTATION, type Policy } from './policy.ts';
import { hasEntriesCel } from './predicates.ts';
import { changesCel, isNeededCel } from './setting-fields.ts';

/** One CEL expression of a webhook; all of them must hold before the API server calls. */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/** The API server refuses longer ones (100 000 code points). */
export const LONGEST_EXPRESSION = 60_000;

const RULE_CONDITION = 'a-rule-asks-for-a-change';

/**
 * The policy as CEL, so that the API server calls only for Jobs that need a change. Only functions of the oldest
 * supported CEL environment are used, and no field is read before it is known to be there: an error counts as "do not
 * call" under failurePolicy Ignore, and denies the Job under Fail.
 *
 * Whether a Job is finished or being deleted is read from `oldObject`: on CREATE the API server clears a status and a
 * deletionTimestamp only after admission, so a Job that is created as "Failed" would slip by a condition on `object`.
 *
 * The name of the last condition carries a digest of the policy. It distinguishes another policy that a replica
 * published from an edit by hand.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
 */
export const matchConditions = (policy: Policy): MatchCondition[] => conditionsWith(needsAChange(policy));

/** Whether match conditions are those of some policy, as a daemon writes them. */
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

/** One line for each rule: the first that matches decides. */
const needsAChange = ({ rules }: Policy): string =>
  [...rules.map(({ match, set }) => `${matchesCel(match)} ? (${isNeededCel(set)}) :`), 'false'].join('\n');

/**
 * The JSON Patch of a MutatingAdmissionPolicy. As in the endpoint it only adds.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/#patch-type-json-patch
 */
export const jsonPatch = ({ rules }: Policy): string =>
  [...rules.map(({ match, set }) => `${matchesCel(match)} ? ${changesCel(set)} :`), '[]'].join('\n');
