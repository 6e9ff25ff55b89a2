import { exitCodes } from '../../cli/exit-codes.ts';
import { oneLine } from '../../lib/text.ts';
import { wrapped } from '../inspect/terminal.ts';
import type { Step } from './steps.ts';

/** The results of `check` and their exit codes. Code 2 is reserved for usage errors. */
export const checkVerdicts = {
  passed: { exitCode: exitCodes.done, meaning: 'no check failed, and the dry run came back capped' },
  failed: { exitCode: exitCodes.failed, meaning: 'at least one check failed' },
  incomplete: { exitCode: exitCodes.incomplete, meaning: 'no check failed, but the dry run proved nothing' },
} as const;

/** The report that `check -o json` prints. docs/reference/check.schema.json is its JSON Schema. */
export interface CheckReport {
  /** Version of the format of `-o json`. A new version means that a field was renamed or removed. */
  readonly format: 1;
  readonly at: Date;
  readonly verdict: keyof typeof checkVerdicts;
  readonly steps: readonly Step[];
}

/** Returns the report. The last step decides between `passed` and `incomplete`. */
export function createReport(steps: readonly Step[], at: Date): CheckReport {
  const isFailed = steps.some(({ result }) => result === 'failed');
  const isProven = steps.at(-1)?.result === 'passed';
  return { format: 1, at, verdict: isFailed ? 'failed' : isProven ? 'passed' : 'incomplete', steps };
}

/** Colours a text, or returns it unchanged if the output is no terminal. */
export type Paint = (colour: 'green' | 'red' | 'yellow', text: string) => string;

const marks = {
  passed: { colour: 'green', sign: '✓' },
  failed: { colour: 'red', sign: '✗' },
  skipped: { colour: 'yellow', sign: '-' },
} as const;

const verdictColours = { passed: 'green', failed: 'red', incomplete: 'yellow' } as const;

const NAMES = 13;

/** Returns the report as text: a line for each step, and the command below a step that failed. */
export function checkText({ steps, verdict }: CheckReport, paint: Paint): string {
  const lines = steps.flatMap(({ name, result, message, command }) => {
    const rest = ' '.repeat(NAMES + 2);
    const [first = '', ...others] = wrapped(message, name.padEnd(NAMES), rest);
    const commands = command === undefined ? [] : [rest + oneLine(command)];
    const { colour, sign } = marks[result];
    return [`${paint(colour, sign)} ${first}`, ...others, ...commands];
  });
  const end = `verdict: ${paint(verdictColours[verdict], verdict)}: ${checkVerdicts[verdict].meaning}`;
  return `${[...lines, end].join('\n')}\n`;
}
