import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import fc from 'fast-check';
import { decide } from '../../../src/policy/decide.ts';
import {
  type JobOperation,
  type Labels,
  type Match,
  OPT_OUT_ANNOTATION,
  type Policy,
  type Rule,
  type Settings,
} from '../../../src/policy/policy.ts';
import { patchOf } from '../../../src/webhook/patch.ts';
import { type Operation, readReview } from '../../../src/webhook/review.ts';
import type { Json } from '../../support/builders/a-job.ts';
import {
  anySketch,
  jobText,
  reviewOf,
  type Sketch,
  wantedLimit,
  wantedRestartPolicy,
} from '../../support/builders/any-job.ts';
import { anyPolicy, policiesByField } from '../../support/builders/any-policy.ts';
import { applyAdds, parseExactly } from '../../support/builders/apply-adds.ts';

interface Case {
  readonly sketch: Sketch;
  readonly metadata: Json;
  readonly operation: JobOperation;
  readonly policy: Policy;
}

const MARK = 'terraform.job.kb.io/capped';
const anyMetadata = fc.record(
  {
    name: fc.constantFrom('oss-bucket-apply', 'oss-bucket-destroy', 'a.b', 'axb', ''),
    labels: fc.constantFrom(
      {},
      { app: 'x' },
      { app: '' },
      { app: 'x', env: 'prod', other: 'y' },
      { constructor: 'x' },
      null,
    ),
    annotations: fc.constantFrom(
      ...[{}, {}, { other: 'x' }, { [OPT_OUT_ANNOTATION]: 'true' }, { [OPT_OUT_ANNOTATION]: 'false' }, null],
      ...['', 'x', 5, null].map((value) => ({ [MARK]: value })),
    ),
  },
  { requiredKeys: [] },
);

const anyCase: fc.Arbitrary<Case> = fc
  .record({
    bare: anySketch,
    metadata: anyMetadata,
    operation: fc.constantFrom<JobOperation>('CREATE', 'UPDATE'),
    policy: anyPolicy,
  })
  .map(({ bare, ...rest }) => {
    const job = [
      ...bare.extras.job.filter(([name]) => name !== 'metadata'),
      ['metadata', JSON.stringify(rest.metadata)] as const,
    ];
    return { ...rest, sketch: { ...bare, extras: { ...bare.extras, job } } };
  });

const NAMESPACE = 'team-a';

const like = (pattern: string, text = '') =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replaceAll('.', '\\.'))
      .join('[^]*')}$`,
  ).test(text);

const covers = (given: Labels | null = {}, wanted: Labels = {}) => {
  const all = new Map(Object.entries(given ?? {}));
  return Object.entries(wanted).every(([name, value]) => all.get(name) === value);
};

/** For each field of `match`, a second implementation that returns whether a Job matches. */
const holds: { readonly [Name in keyof Match]-?: (wanted: NonNullable<Match[Name]>, metadata: Json) => boolean } = {
  namespaces: (patterns) => patterns.some((pattern) => like(pattern, NAMESPACE)),
  jobName: (pattern, { name }) => like(pattern, name),
  labels: (wanted, { labels }) => covers(labels, wanted),
  serviceAccountName: (name) => name === 'tf-executor-service-account',
  containerName: (name) => name === 'terraform-executor',
};

const isOptedOut = ({ metadata }: Case) => metadata.annotations?.[OPT_OUT_ANNOTATION] === 'true';

function ruleOf({ metadata, policy }: Case): Rule | undefined {
  return policy.rules.find(({ match }) =>
    Object.entries(match).every(([name, wanted]) => holds[name as keyof Match](wanted as never, metadata)),
  );
}

/** For each field of `set`, a second implementation that returns the new value as JSON text. */
const applied: { readonly [Name in keyof Settings]: (value: Settings[Name], one: Case) => string | undefined } = {
  backoffLimit(value, one) {
    const { sketch, operation } = one;
    return isOptedOut(one) ? sketch.backoffLimit : wantedLimit(value, sketch, operation);
  },
  restartPolicy(value, one) {
    const { sketch, operation } = one;
    const isLeft = value === 'Keep' || (operation === 'CREATE' && isOptedOut(one));
    return isLeft ? sketch.restartPolicy : wantedRestartPolicy(sketch, operation);
  },
};

function wanted(one: Case): Sketch {
  const rule = ruleOf(one);
  if (rule === undefined) return one.sketch;
  const { name: ruleName, set } = rule;
  const fields = Object.entries(applied).map(([name, apply]) => [
    name,
    apply(set[name as keyof Settings] as never, one),
  ]);
  const sketch: Sketch = { ...one.sketch, ...Object.fromEntries(fields) };
  return marked(one, sketch, ruleName);
}

/** A second implementation of the mark, which returns the Job with the mark if a field has changed. */
function marked({ sketch: before, metadata }: Case, after: Sketch, rule: string): Sketch {
  const limit = Number(before.backoffLimit);
  const changed = {
    backoffLimit: after.backoffLimit === before.backoffLimit || !limit ? undefined : limit,
    restartPolicy: after.restartPolicy === before.restartPolicy ? undefined : 'OnFailure',
  };
  const isChanged = after.backoffLimit !== before.backoffLimit || changed.restartPolicy !== undefined;
  if (!isChanged || metadata.annotations?.[MARK]) return after;
  // `aReview` serializes a number that is too large as null.
  const finite = Number.isFinite(limit) ? changed : { ...changed, backoffLimit: undefined };
  const annotations = { ...metadata.annotations, [MARK]: JSON.stringify({ rule, ...finite }) };
  const job = after.extras.job.map(([name, value]) =>
    name === 'metadata' ? ([name, JSON.stringify({ ...metadata, annotations })] as const) : ([name, value] as const),
  );
  return { ...after, extras: { ...after.extras, job } };
}

const reviewed = ({ sketch, operation }: Case) => reviewOf(sketch, operation);

function patchFor(review: Json, { policy }: Case): Operation[] {
  const decision = decide(readReview(review), policy);
  assert.notEqual(decision.action, 'refuse');
  return 'changes' in decision ? patchOf(decision, review.request.object) : [];
}

const patched = (one: Case): Json => applyAdds(parseExactly(jobText(one.sketch)), patchFor(reviewed(one), one));

suite('decisions for any Job and any policy', () => {
  const property = (check: (one: Case) => void) => fc.assert(fc.property(anyCase, check), { numRuns: 500 });

  test('for any Job and policy, the patch sets the fields of the policy and keeps all other values of the Job', () => {
    let capped = 0;
    property((one) => {
      const operations = patchFor(reviewed(one), one);
      capped += operations.length > 0 ? 1 : 0;
      const job = applyAdds(parseExactly(jobText(one.sketch)), operations);
      assert.equal(JSON.stringify(job), JSON.stringify(parseExactly(jobText(wanted(one)))));
    });
    assert.ok(capped > 50, `only ${capped} were capped`);
  });

  test('for any policy, a capped Job is not changed again', () => {
    property((one) => {
      const review = reviewed(one);
      applyAdds(review.request.object, patchFor(review, one));
      assert.deepEqual(patchFor(review, one), []);
    });
  });

  test('the patch does not raise backoffLimit', () => {
    property((one) => {
      for (const { path, value } of patchFor(reviewed(one), one)) {
        const { backoffLimit } = one.sketch;
        if (path === '/spec/backoffLimit' && !['null', undefined].includes(backoffLimit)) {
          assert.ok(Number(value) < Number(backoffLimit));
        }
      }
    });
  });

  for (const [name, policy] of policiesByField) {
    test(`the patch for a policy with only match.${name} equals the patch of the second implementation`, () => {
      const cases = fc.sample(anyCase, { numRuns: 200, seed: 20261129 }).map((one) => ({ ...one, policy }));
      const rules = new Set(cases.map((one) => (isOptedOut(one) ? undefined : ruleOf(one)?.name)));
      assert.ok(rules.size > 1, `every Job of the samples is treated alike by match.${name}`);
      for (const one of cases)
        assert.equal(JSON.stringify(patched(one)), JSON.stringify(parseExactly(jobText(wanted(one)))));
    });
  }
});
