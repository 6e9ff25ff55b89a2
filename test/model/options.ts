import { type Bounds, boundsOf, faultKinds } from './bounds.ts';
import { deepScenarios, gateScenarios, type Scenario } from './scenarios.ts';

export const HELP = `npm run model [-- OPTIONS]

Explores the scenarios of the rotation, and prints a row for each in the table of docs/explanation/rotation-model.md.
Prints the shortest history to a violation below its row. Without options, this takes hours and up to 8 GB of memory.

  --gate          only the scenarios of the gate: one minute
  --only TEXT     only the scenario with this name, or else all scenarios whose name contains the text
  --states N      number of states after which a scenario is given up; default 10000000, about 8 GB
  --bounds JSON   one scenario with these bounds (test/model/bounds.ts); absent bounds have their usual value.
                  Prints the result as JSON
  --help          print this text

Exit codes: 0 no violation, 1 a violation, 2 usage error, 3 a scenario was given up.
`;

/** What the options ask for. `bounds`: the one scenario to explore, instead of `scenarios`. */
export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly bounds: Bounds | undefined;
  readonly mostStates: number;
}

/** The options of the command line, as text. */
interface Values {
  readonly gate?: boolean | undefined;
  readonly only?: string | undefined;
  readonly states?: string | undefined;
  readonly bounds?: string | undefined;
}

/** @throws Error if a value is wrong. */
export function readOptions({ gate = false, only = '', states = '10000000', bounds }: Values): Options {
  const mostStates = Number(states);
  if (!(Number.isInteger(mostStates) && mostStates > 0)) {
    throw new Error(`--states: invalid value ${JSON.stringify(states)}: must be a whole number of at least 1`);
  }
  const scenarios = scenariosNamed(only, gate ? gateScenarios : deepScenarios);
  return { scenarios, bounds: bounds === undefined ? undefined : readBounds(bounds), mostStates };
}

function scenariosNamed(text: string, scenarios: readonly Scenario[]): readonly Scenario[] {
  const exact = scenarios.filter(({ name }) => name === text);
  const found = exact.length > 0 ? exact : scenarios.filter(({ name }) => name.includes(text));
  if (found.length > 0) return found;
  const names = scenarios.map(({ name }) => `\n  ${name}`).join('');
  throw new Error(`--only: invalid value ${JSON.stringify(text)}: must be part of the name of a scenario:${names}`);
}

function readBounds(text: string): Bounds {
  const changed = parsed(text);
  const isKnown = Object.keys(changed ?? {}).every((key) => Object.hasOwn(boundsOf(), key));
  const kinds = [changed?.kinds ?? []].flat();
  if (!changed || !isKnown || !kinds.every((kind) => faultKinds.some((known) => known === kind))) {
    const example = '{"faults":1,"kinds":["crash"]}';
    const kindNames = faultKinds.join(', ');
    throw new Error(
      `--bounds: invalid value ${text}: must be a JSON object such as ${example}, with kinds of ${kindNames}`,
    );
  }
  return boundsOf(changed);
}

/** Returns the object; `undefined` if the text is no JSON object. */
function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
