import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../lib/errors.ts';
import { printable } from '../../lib/text.ts';
import type { Terminal } from '../terminal.ts';
import { type CheckContext, observe } from './observations.ts';
import { observeCluster } from './pre-observations.ts';
import { preStepsOf } from './pre-steps.ts';
import { type CheckReport, checkText, checkVerdicts, createReport } from './report.ts';
import { stepsOf, unavailable } from './steps.ts';

export interface CheckOptions {
  readonly pre: boolean | undefined;
  /** Time in ms in which a failed check is repeated. */
  readonly wait: number;
  readonly output: 'text' | 'json';
}

interface Output {
  readonly terminal: Terminal;
  readonly write: (text: string) => void;
}

const REPEAT_MS = 1_000;

/**
 * Checks the install, or with `pre` the cluster before an install, and prints the report of the last attempt.
 *
 * @returns the exit code.
 * @throws OperatorError with a `KUBE_…` code if the API server rejects a read for another reason than a missing right.
 */
export async function check(
  options: CheckOptions,
  context: CheckContext,
  { terminal, write }: Output,
): Promise<number> {
  const startMs = performance.now();
  let report = await attempt(options, context);
  while (report.verdict === 'failed' && performance.now() - startMs + REPEAT_MS < options.wait) {
    await delay(REPEAT_MS);
    report = await attempt(options, context);
  }
  write(options.output === 'json' ? `${printable(JSON.stringify(report, null, 2))}\n` : checkText(report, terminal));
  return checkVerdicts[report.verdict].exitCode;
}

/** Runs the checks once. A temporary failure of a read is a failed check, so that `--wait` repeats it. */
async function attempt({ pre }: CheckOptions, context: CheckContext): Promise<CheckReport> {
  const now = new Date();
  try {
    return createReport(pre ? preStepsOf(await observeCluster(context)) : stepsOf(await observe(context, now)), now);
  } catch (error) {
    if (error instanceof OperatorError && error.retryable) return createReport(unavailable(error.message), now);
    throw error;
  }
}
