/** Explores the scenarios of the rotation and prints a line for each; a violation with its shortest history. */
import { parseArgs } from 'node:util';
import { explore } from './explorer.ts';
import { deepScenarios, gateScenarios, type Scenario } from './scenarios.ts';
import { createWorld } from './world.ts';

const USAGE = `usage: npm run model -- [options]

  --gate          only the scenarios of the gate
  --only text     only the scenarios whose name contains the text
  --states n      states after which a scenario is given up (default 10000000, about 8 GB)
  --bounds json   one scenario with these bounds (test/model/bounds.ts); prints the result as JSON
  --help          this text

Exit codes: 0 no violation, 1 a violation, 2 a scenario was given up.
`;

const { values: options } = parseArgs({
  options: {
    gate: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    states: { type: 'string', default: '10000000' },
    bounds: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const mostStates = Number(options.states);

/** Returns the exit code. */
async function run({ name, bounds }: Scenario): Promise<number> {
  const start = performance.now();
  const { states, transitions, depth, isComplete, violation } = await explore(await createWorld(bounds), mostStates);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const end = violation ? `violated: ${violation.what}` : isComplete ? 'no violation' : 'given up';
  process.stdout.write(`${name}: ${states} states, ${transitions} transitions, depth ${depth}, ${seconds} s: ${end}\n`);
  const history = violation?.history ?? [];
  process.stdout.write(history.map((step, index) => `  ${index + 1}. ${step}\n`).join(''));
  return violation ? 1 : isComplete ? 0 : 2;
}

if (options.help) {
  process.stdout.write(USAGE);
} else if (options.bounds !== undefined) {
  process.stdout.write(JSON.stringify(await explore(await createWorld(JSON.parse(options.bounds)), mostStates)));
} else {
  const scenarios = options.gate ? gateScenarios : deepScenarios;
  const codes: number[] = [];
  for (const scenario of scenarios.filter(({ name }) => name.includes(options.only))) codes.push(await run(scenario));
  process.exitCode = codes.includes(1) ? 1 : Math.max(0, ...codes);
}
