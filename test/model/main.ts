import { readArguments, usageError } from '../../tools/arguments.ts';
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

function optionsGiven(): Options {
  const text = { type: 'string' } as const;
  const { values } = readArguments(HELP, {
    options: { gate: { type: 'boolean' }, only: text, states: text, bounds: text },
  });
  try {
    return readOptions(values);
  } catch (error) {
    return usageError(HELP, (error as Error).message);
  }
}

async function main(options: Options): Promise<number> {
  const { bounds, mostStates } = options;
  if (bounds === undefined) return exploreAll(options);
  const exploration = await explore(await createWorld(bounds), mostStates);
  say(JSON.stringify(exploration));
  return codeOf(exploration);
}

process.exitCode = await main(optionsGiven());
