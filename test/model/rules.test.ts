import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exploreWithout } from './altered-source.ts';
import { rules } from './rules.ts';

describe('a rule of the rotation that is taken out of the source', { concurrency: 2 }, () => {
  for (const rule of rules) {
    test(`the explorer finds a violation without the rule: ${rule.name}`, async (t) => {
      const { violation, states } = await exploreWithout(rule);
      t.diagnostic(`${rule.name} ${states} states: ${[...(violation?.history ?? []), violation?.what].join('; ')}`);
      assert.match(violation?.what ?? 'no violation', rule.violation);
    });
  }
});
