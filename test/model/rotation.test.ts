import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readDocument } from '../support/docs.ts';
import { explore } from './explorer.ts';
import { PAGE, rowOf, scenarioRow } from './rows.ts';
import { gateScenarios } from './scenarios.ts';
import { createWorld } from './world.ts';

describe('the rotation, over all interleavings', async () => {
  const page = await readDocument(PAGE);
  for (const scenario of gateScenarios) {
    test(`no reachable state violates an invariant, and the page has the figures: ${scenario.name}`, async (t) => {
      const exploration = await explore(await createWorld(scenario.bounds));
      const { violation, isComplete } = exploration;
      const row = rowOf(scenarioRow(scenario, exploration));
      t.diagnostic(row);
      assert.deepEqual([violation, isComplete], [undefined, true]);
      assert.ok(page.includes(row), `${PAGE} needs this row: ${row}`);
    });
  }
});
