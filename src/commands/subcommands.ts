import { appliesCommand } from './applies/command.ts';
import { checkCommand } from './check/command.ts';
import { inspectCommand } from './inspect/command.ts';
import { policyCommand } from './policy.ts';
import { rotateCommand } from './rotate/command.ts';

/** All subcommands except `run`, which is in src/operator/command.ts. */
export const subcommands = {
  applies: appliesCommand,
  check: checkCommand,
  inspect: inspectCommand,
  policy: policyCommand,
  rotate: rotateCommand,
};
