import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import fc from 'fast-check';
import { decide } from '../../../src/policy/decide.ts';
import {
  DEFAULT_BACKOFF_LIMIT,
  type Labels,
  OPT_OUT_ANNOTATION,
  type Policy,
  type Rule,
} from '../../../src/policy/policy.ts';
import { patchBetween } from '../../../src/webhook/patch.ts';
import { type Operation, readReview } from '../../../src/webhook/review.ts';
import type { Json } from '../../support/builders/a-job.ts';
import { anUpdate, aReview } from '../../support/builders/a-review.ts';
import { anySketch, jobText, type Sketch } from '../../support/builders/any-job.ts';
import { anyNamespaceLabels, anyPolicy } from '../../support/builders/any-policy.ts';
import { applyAdds, parseExactly } from '../../support/builders/apply-adds.ts';

type JobOperation = 'CREATE' | 'UPDATE';

/** What a case is made of; the namespace is that of `aReview`. */
interface Case {
  readonly sketch: Sketch;
  readonly metadata: Json;
  readonly operation: JobOperation;
  readonly policy: Policy;
  readonly namespaceLabels: Labels;
}

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
    annotations: fc.constantFrom({}, {}, {}, { [OPT_OUT_ANNOTATION]: 'true' }, { [OPT_OUT_ANNOTATION]: 'false' }, null),
  },
  { requiredKeys: [] },
);

const anyCase: fc.Arbitrary<Case> = fc
  .record({
    bare: anySketch,
    metadata: anyMetadata,
    operation: fc.constantFrom<JobOperation>('CREATE', 'UPDATE'),
    policy: anyPolicy,
    namespaceLabels: anyNamespaceLabels,
  })
  .map(({ bare, ...rest }) => {
    const job = [
      ...bare.extras.job.filter(([name]) => name !== 'metadata'),
      ['metadata', JSON.stringify(rest.metadata)] as const,
    ];
    return { ...rest, sketch: { ...bare, extras: { ...bare.extras, job } } };
  });

const NAMESPACE = 'team-a';

/** Which rule decides, told a second time and in another way. */
function ruleOf({ metadata, policy, namespaceLabels }: Case): Rule | undefined {
  if (metadata.annotations?.[OPT_OUT_ANNOTATION] === 'true') return undefined;
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
  return policy.rules.find(({ match }) =>
    [
      (match.namespaces ?? [NAMESPACE]).some((pattern) => like(pattern, NAMESPACE)),
      like(match.jobName ?? '*', metadata.name),
      (match.serviceAccountName ?? 'tf-executor-service-account') === 'tf-executor-service-account',
      (match.containerName ?? 'terraform-executor') === 'terraform-executor',
      covers(metadata.labels, match.labels),
      covers(namespaceLabels, match.namespaceLabels),
    ].every(Boolean),
  );
}

function wanted(one: Case): Sketch {
  const { sketch, operation } = one;
  const set = ruleOf(one)?.set;
  if (set === undefined) return sketch;
  const number = Number(sketch.backoffLimit);
  // `aReview` writes JSON, in which a number that is too large is null, as one that is absent.
  const isSaid = sketch.backoffLimit !== 'null' && Number.isFinite(number);
  const limit = isSaid ? number : DEFAULT_BACKOFF_LIMIT;
  const isNever = operation === 'CREATE' && set.restartPolicy === 'Never';
  return {
    ...sketch,
    backoffLimit: limit > set.backoffLimit ? String(set.backoffLimit) : sketch.backoffLimit,
    restartPolicy: isNever ? '"Never"' : sketch.restartPolicy,
  };
}

const reviewOf = { CREATE: aReview, UPDATE: anUpdate } as const;
const reviewed = ({ sketch, operation }: Case) => reviewOf[operation]({ object: JSON.parse(jobText(sketch)) });

function patchFor(review: Json, { policy, namespaceLabels }: Case): Operation[] {
  const decision = decide(readReview(review), policy, { namespaceLabels });
  assert.notEqual(decision.action, 'refuse');
  return decision.action === 'cap' ? patchBetween(decision.job, decision.wanted) : [];
}

suite('for any Job and any policy', () => {
  const property = (check: (one: Case) => void) => fc.assert(fc.property(anyCase, check), { numRuns: 500 });

  test('the patch makes the wanted Job, and every other byte of it survives', () => {
    let capped = 0;
    property((one) => {
      const operations = patchFor(reviewed(one), one);
      capped += operations.length > 0 ? 1 : 0;
      const patched = applyAdds(parseExactly(jobText(one.sketch)), operations);
      assert.equal(JSON.stringify(patched), JSON.stringify(parseExactly(jobText(wanted(one)))));
    });
    assert.ok(capped > 50, `only ${capped} were capped`);
  });

  test('twice is once', () => {
    property((one) => {
      const review = reviewed(one);
      applyAdds(review.request.object, patchFor(review, one));
      assert.deepEqual(patchFor(review, one), []);
    });
  });

  test('on UPDATE nothing but the limit is touched, and it is never raised', () => {
    property((one) => {
      const operations = patchFor(reviewed(one), one);
      for (const { path, value } of operations) {
        if (one.operation === 'UPDATE') assert.equal(path, '/spec/backoffLimit');
        const { backoffLimit } = one.sketch;
        if (path === '/spec/backoffLimit' && !['null', undefined].includes(backoffLimit)) {
          assert.ok(Number(value) < Number(backoffLimit));
        }
      }
    });
  });

  test('the labels of the namespace are asked for before anything that depends on them is decided', () => {
    property((one) => {
      const { policy, namespaceLabels } = one;
      const request = readReview(reviewed(one));
      const without = decide(request, policy);
      const isOpen = without.action === 'allow' && without.reason === 'namespace-unknown';
      const asks = policy.rules.some(({ match }) => match.namespaceLabels !== undefined);
      assert.ok(asks || !isOpen);
      if (!isOpen) assert.deepEqual(decide(request, policy, { namespaceLabels }).action, without.action);
    });
  });
});
