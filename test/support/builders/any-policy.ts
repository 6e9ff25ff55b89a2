import fc from 'fast-check';
import type { Labels, Match, Policy } from '../../../src/policy/policy.ts';

const patterns = ['*', 'team-a', 'team*', '*-a', 't*m-*', 'other', 'oss-bucket-apply', '*-apply', 'o*t*y', '', 'a.b'];
const labels: readonly Labels[] = [
  { app: 'x' },
  { app: '' },
  { constructor: 'x' },
  { app: 'x', env: 'prod' },
  { '': '' },
];

const wholeMatch = fc.record({
  namespaces: fc.constantFrom(['team-a'], ['other', 'team*'], ['other'], ['*']),
  namespaceLabels: fc.constantFrom(...labels),
  jobName: fc.constantFrom(...patterns),
  labels: fc.constantFrom(...labels),
  serviceAccountName: fc.constantFrom('tf-executor-service-account', 'tf-executor-service-account', 'default'),
  containerName: fc.constantFrom('terraform-executor', 'terraform-executor', 'report'),
});

/** A few of the fields, so that often several rules match one Job: the first is to decide. */
const anyMatch: fc.Arbitrary<Match> = wholeMatch.chain((whole) =>
  fc.subarray(Object.entries(whole), { maxLength: 3 }).map((chosen): Match => Object.fromEntries(chosen)),
);

/** More than the schema takes: what a rule matches is up to the matcher alone. */
export const anyPolicy: fc.Arbitrary<Policy> = fc
  .array(
    fc.record({
      match: anyMatch,
      set: fc.record({
        backoffLimit: fc.constantFrom(0, 0, 1, 3, 6, 2_147_483_647),
        restartPolicy: fc.constantFrom('Never' as const, 'Keep' as const),
      }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((rules) => ({ rules: rules.map((rule, index) => ({ name: `rule-${index}`, ...rule })) }));

export const anyNamespaceLabels: fc.Arbitrary<Labels> = fc.constantFrom({}, ...labels);
