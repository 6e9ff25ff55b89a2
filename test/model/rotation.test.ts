import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explore } from './explorer.ts';
import { gateScenarios } from './scenarios.ts';
import { createWorld } from './world.ts';

describe('the rotation, over all interleavings', () => {
  for (const { name, bounds } of gateScenarios) {
    test(`no reachable state violates an invariant: ${name}`, async (t) => {
      const { violation, isComplete, states, transitions, depth } = await explore(await createWorld(bounds));
      t.diagnostic(`${name}: ${states} states, ${transitions} transitions, depth ${depth}`);
      assert.deepEqual([violation, isComplete], [undefined, true]);
    });
  }
});
