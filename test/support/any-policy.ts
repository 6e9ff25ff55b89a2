import fc from 'fast-check';
import type { Labels, Match, Policy } from '../../src/policy.ts';

const few = <T>(...values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 });

const patterns = ['*', 'team-a', 'team*', '*-a', 't*m-*', 'other', 'oss-bucket-apply', '*-apply', 'o*t*y', '', 'a.b'];
const labels: readonly Labels[] = [
  { app: 'x' },
  { app: '' },
  { constructor: 'x' },
  { app: 'x', env: 'prod' },
  { '': '' },
];

const anyMatch: fc.Arbitrary<Match> = fc.record({
  namespaces: few(['team-a'], ['other', 'team*'], ['other'], ['*']),
  namespaceLabels: few(...labels),
  jobName: few(...patterns),
  labels: few(...labels),
  serviceAccountName: few('tf-executor-service-account', 'tf-executor-service-account', 'default'),
  containerName: few('terraform-executor', 'terraform-executor', 'report'),
  operations: few<Match['operations']>(['CREATE'], ['UPDATE'], ['CREATE', 'UPDATE']),
});

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
