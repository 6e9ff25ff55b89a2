import fc from 'fast-check';
import type { Match, Policy, Settings } from '../../../src/policy/policy.ts';
import { matchSchema, settingsSchema } from '../../../src/policy/schema.ts';
import { fromSchema } from './from-schema.ts';

/** Names of the fields of `match` in the policy schema. */
export const matchNames = Object.keys(matchSchema.shape) as (keyof Match)[];

const valuesOf = (name: keyof Match) => fromSchema(matchSchema.shape[name].unwrap());

/** Few fields per rule, so that several rules often match one Job and the first must win. */
const anyMatch: fc.Arbitrary<Match> = fc
  .subarray(matchNames, { maxLength: 3 })
  .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, valuesOf(name)]))) as fc.Arbitrary<Match>);

const anySettings = fromSchema(settingsSchema) as fc.Arbitrary<Settings>;

const withNames = (rules: readonly { readonly match: Match; readonly set: Settings }[]): Policy => ({
  rules: rules.map((rule, index) => ({ name: `rule-${index}`, ...rule })),
});

/** Generates policies from the schema, so that a new field of the schema is included. */
export const anyPolicy: fc.Arbitrary<Policy> = fc
  .array(fc.record({ match: anyMatch, set: anySettings }), { minLength: 1, maxLength: 5 })
  .map(withNames);

/** One fixed policy for each field of `match`: its rules use only that field. */
export const policiesByField: ReadonlyMap<keyof Match, Policy> = new Map(
  matchNames.map((name) => {
    const values = new Set(
      fc.sample(valuesOf(name), { numRuns: 100, seed: 20261129 }).map((one) => JSON.stringify(one)),
    );
    const rules = [...values].slice(0, 24).map((text, nth) => ({
      match: { [name]: JSON.parse(text) } as Match,
      set: { backoffLimit: 1 + (nth % 6), restartPolicy: nth % 2 ? 'Keep' : 'Never' } as const,
    }));
    return [name, withNames(rules)];
  }),
);
