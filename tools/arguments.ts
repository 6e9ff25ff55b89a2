import { type ParseArgsConfig, parseArgs } from 'node:util';

/**
 * Returns the arguments of an npm script, without --help.
 *
 * With --help it prints the usage and exits with code 0. After an unknown argument it exits with code 2. A script
 * without arguments needs no `config`.
 */
export function readArguments<const Config extends ParseArgsConfig>(usage: string, config = {} as Config) {
  if (process.argv.slice(2).includes('--help')) {
    process.stdout.write(`${usage.trim()}\n`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return usageError(usage, (error as Error).message);
  }
}

/** Prints the problem and the usage, and exits with code 2. */
export function usageError(usage: string, problem: string): never {
  process.stderr.write(`${problem}\n\n${usage.trim()}\n`);
  process.exit(2);
}
