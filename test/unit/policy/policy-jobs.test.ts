import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../../src/policy/decide.ts';
import { policiesByField } from '../../support/builders/any-policy.ts';
import { someJobs } from '../../support/builders/policy-jobs.ts';

/** The number of Jobs that test/cluster/policy-forms.test.ts creates. */
const JOBS = 200;

describe('the generated Jobs for the comparison of the three forms of a policy', () => {
  for (const [field, policy] of policiesByField) {
    test(`a policy rule with only match.${field} caps some of the test Jobs that someJobs() generates, and leaves others uncapped`, () => {
      const actions = someJobs(JOBS).map((object) => {
        const { namespace } = object.metadata;
        const write = { resource: 'batch/v1/jobs', operation: 'CREATE', namespace, object, oldObject: null };
        return decide(write, policy).action;
      });
      assert.ok(actions.includes('cap'), 'no Job has it: add it to `metadata` or `podSpec` in policy-jobs.ts');
      assert.ok(actions.includes('allow'), 'every Job has it: add a Job without it in policy-jobs.ts');
    });
  }
});
