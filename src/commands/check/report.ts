import { exitCodes } from '../../cli/exit-codes.ts';
import { commandRow, padded, type Terminal, wrapped } from '../terminal.ts';
import type { Step } from './steps.ts';

/** The results of `check` and their exit codes. Code 2 is reserved for usage errors. */
export const checkVerdicts = {
  passed: { exitCode: exitCodes.done, meaning: 'no check failed, and the dry run came back capped' },
  failed: { exitCode: exitCodes.failed, meaning: 'at least one check failed' },
  incomplete: { exitCode: exitCodes.incomplete, meaning: 'no check failed, but the dry run proved nothing' },
} as const;

/** The meaning of `passed` for `check --pre`, which has no step `dry-run`. */
export const passedWithoutDryRun = 'no check failed; --pre sends no dry run';

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

const marks = {
  passed: { style: 'good', sign: '✓' },
  failed: { style: 'bad', sign: '✗' },
  skipped: { style: 'caution', sign: '-' },
} as const;

const verdictStyles = { passed: 'good', failed: 'bad', incomplete: 'caution' } as const;

const NAMES = 13;

/** Returns the report as text: a line for each step, and the command below a step that failed. */
export function checkText({ steps, verdict }: CheckReport, terminal: Terminal): string {
  const { paint } = terminal;
  const lines = steps.flatMap(({ name, result, message, command }) => {
    const { style, sign } = marks[result];
    const first = `${paint(style, sign)} ${padded(name, NAMES)}`;
    const commands = command === undefined ? [] : [paint('hint', commandRow(command))];
    return [...wrapped(message, { first, rest: ' '.repeat(NAMES + 2) }, terminal), ...commands];
  });
  const isPre = verdict === 'passed' && steps.at(-1)?.name !== 'dry-run';
  const meaning = isPre ? passedWithoutDryRun : checkVerdicts[verdict].meaning;
  const end = `verdict: ${paint(verdictStyles[verdict], verdict)}: ${meaning}`;
  return `${[...lines, end].join('\n')}\n`;
}
