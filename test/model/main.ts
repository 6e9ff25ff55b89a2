import { parseArgs } from 'node:util';
import { explore } from './explorer.ts';
import { deepScenarios, gateScenarios } from './scenarios.ts';
import { createWorld } from './world.ts';

const { values } = parseArgs({
  options: {
    gate: { type: 'boolean' },
    only: { type: 'string' },
    states: { type: 'string' },
    bounds: { type: 'string' },
  },
});
const mostStates = Number(values.states ?? 10_000_000);
const scenarios = (values.gate ? gateScenarios : deepScenarios).filter(({ name }) => name.includes(values.only ?? ''));
if (values.bounds) {
  process.stdout.write(JSON.stringify(await explore(await createWorld(JSON.parse(values.bounds)), mostStates)));
  process.exit();
}
let failed = 0;
for (const { name, bounds } of scenarios) {
  const start = performance.now();
  const { states, transitions, depth, isComplete, violation } = await explore(await createWorld(bounds), mostStates);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const end = violation ? `VIOLATED: ${violation.what}` : isComplete ? 'complete' : 'given up';
  process.stdout.write(`${name}: ${states} states, ${transitions} transitions, depth ${depth}, ${seconds} s: ${end}\n`);
  if (violation === undefined) continue;
  failed += 1;
  process.stdout.write(`${violation.history.map((step, index) => `  ${index + 1}. ${step}`).join('\n')}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
