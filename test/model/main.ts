/** Explores the scenarios of the rotation and prints a row for each; a violation with its shortest history. */
import { type Exploration, explore } from './explorer.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { rowOf, scenarioColumns, scenarioRow } from './rows.ts';
import { createWorld } from './world.ts';

const say = (text: string) => process.stdout.write(`${text}\n`);

const codeOf = ({ violation, isComplete }: Exploration): number => (violation ? 1 : isComplete ? 0 : 3);

/** Returns the exit code. */
async function exploreAll({ scenarios, mostStates }: Options): Promise<number> {
  say(rowOf(scenarioColumns));
  say(rowOf(scenarioColumns.map(() => '---')));
  const codes: number[] = [];
  for (const scenario of scenarios) {
    const start = performance.now();
    const exploration = await explore(await createWorld(scenario.bounds), mostStates);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    say(rowOf([...scenarioRow(scenario, exploration), seconds]));
    const { violation } = exploration;
    if (violation)
      say([violation.what, ...violation.history.map((step, index) => `  ${index + 1}. ${step}`)].join('\n'));
    codes.push(codeOf(exploration));
  }
  return codes.includes(1) ? 1 : Math.max(...codes);
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`npm run model: ${(error as Error).message}\n`);
    return 2;
  }
  const { isHelp, bounds, mostStates } = options;
  if (isHelp) {
    process.stdout.write(HELP);
    return 0;
  }
  if (bounds === undefined) return exploreAll(options);
  const exploration = await explore(await createWorld(bounds), mostStates);
  say(JSON.stringify(exploration));
  return codeOf(exploration);
}

process.exitCode = await main();
