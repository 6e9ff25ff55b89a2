import { createHash } from 'node:crypto';
import { matchesCel } from './match-fields.ts';
import type { Policy } from './policy.ts';
import {
  changesCel,
  isNeededCel,
  LIMIT_OF_RUN,
  limitOfRunCel,
  MAY_CHANGE,
  mayChangeCel,
  SET,
  settingsCel,
} from './setting-fields.ts';

/** One match condition of a webhook. The API server calls the webhook only if all match conditions hold. */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/**
 * Maximum length of a CEL expression made from a policy, in characters. The API server refuses more than 100,000 code
 * points.
 */
export const LONGEST_EXPRESSION = 60_000;

const RULE_CONDITION = 'a-rule-asks-for-a-change';

/**
 * Returns the policy as match conditions, so that the API server calls the webhook only for Jobs that need a change.
 * The conditions use only functions of the oldest supported CEL environment, and check an optional field with `has()`
 * before they read it. After an error in CEL, the API server skips the webhook (failurePolicy Ignore) or denies the Job
 * (Fail).
 *
 * The name of the condition ends with a digest of its expression. The digest shows whether the daemon wrote the
 * expression or a user edited it by hand.
 *
 * @see
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
 */
export const matchConditions = (policy: Policy): MatchCondition[] => conditionsWith(needsAChange(policy));

/** Returns whether a daemon with some policy could have written these match conditions. */
export function areSound(conditions: readonly MatchCondition[]): boolean {
  const ofRules = conditions.find(({ name }) => name.startsWith(`${RULE_CONDITION}.`));
  const sound = conditionsWith(ofRules?.expression ?? '');
  return (
    conditions.length === sound.length &&
    sound.every((one) => conditions.some(({ name, expression }) => name === one.name && expression === one.expression))
  );
}

const conditionsWith = (expression: string): MatchCondition[] => [
  { name: `${RULE_CONDITION}.${digestOf(expression)}`, expression },
];

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** Returns a CEL expression with one line for each rule. The first rule that matches decides. */
const needsAChange = ({ rules }: Policy): string =>
  [
    `[${mayChangeCel}].exists(${MAY_CHANGE},`,
    ...rules.map(({ match, set }) => `${matchesCel(match)} ? (${isNeededCel(set)}) :`),
    'false)',
  ].join('\n');

/**
 * Returns the JSON Patch of a MutatingAdmissionPolicy as a CEL expression. The patch has only `add` operations, as the
 * patch of the endpoint has. The expression has one line for each rule.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/#patch-type-json-patch
 */
export const jsonPatch = ({ rules }: Policy): string =>
  [
    `[${limitOfRunCel}].map(${LIMIT_OF_RUN}, [${mayChangeCel}].map(${MAY_CHANGE}, [`,
    ...rules.map((rule) => `${matchesCel(rule.match)} ? ${settingsCel(rule)} :`),
    `{}].map(${SET}, ${changesCel()})[0])[0])[0]`,
  ].join('\n');
