import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readDocument } from '../support/docs.ts';
import { exploreWithout } from './altered-source.ts';
import { PAGE, ruleRow } from './rows.ts';
import { rules, violations } from './rules.ts';

describe('the rules of the rotation', async () => {
  const page = await readDocument(PAGE);
  const findings: string[] = [];
  describe('a rule that is taken out of the source', { concurrency: 2 }, () => {
    for (const rule of rules) {
      test(`the explorer finds a violation without the rule, and the page has it: ${rule.name}`, async (t) => {
        const exploration = await exploreWithout(rule);
        const { what = 'no violation', history = [] } = exploration.violation ?? {};
        findings.push(JSON.stringify([exploration.states, history]));
        const row = ruleRow(rule, exploration);
        t.diagnostic(`${row} ${[...history, what].join('; ')}`);
        assert.match(what, violations[rule.violation]);
        assert.ok(page.includes(row), `${PAGE} needs this row: ${row}`);
      });
    }
  });
  test('no two rules have the same states and history, so each change takes out its own rule', () => {
    assert.equal(new Set(findings).size, rules.length);
  });
});
