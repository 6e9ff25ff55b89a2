import { inspectCommand } from './inspect/command.ts';
import { policyCommand } from './policy.ts';
import { rotateCommand } from './rotate/command.ts';

/** The subcommands that end by themselves. `run` is in src/operator/command.ts. */
export const subcommands = { inspect: inspectCommand, policy: policyCommand, rotate: rotateCommand };
