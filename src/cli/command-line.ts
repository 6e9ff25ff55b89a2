import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { OperatorError } from '../lib/errors.ts';
import { version } from '../lib/version.ts';
import type { RawOptions } from './config.ts';
import { exitCodes } from './exit-codes.ts';
import type { Parsed } from './option-parsers.ts';
import { environmentName, type OptionDefinition, type OptionName, options } from './options.ts';

/** An option that only one subcommand has. It has no variable: it is about this one call. */
export interface OwnOption {
  /** In the form that commander reads: `-o, --output <format>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: unknown;
  readonly defaultText?: string;
  readonly parse?: (text: string) => Parsed<unknown>;
}

/** Where a command writes: the process, or a test. */
export interface Output {
  readonly stdout: { readonly write: (text: string) => unknown };
  readonly stderr: { readonly write: (text: string) => unknown };
}

export interface Subcommand {
  readonly description: string;
  /** Options that have the same variables and defaults in every subcommand. */
  readonly shared: readonly OptionName[];
  readonly own: readonly OwnOption[];
  /** Follows the options in `--help`. */
  readonly help: string;
  /** Returns the exit code. The definitions in `own` decide the type of the second argument. */
  run(raw: RawOptions, own: never, output: Output): Promise<number>;
}

/** The names of the install and its objects, and how the API server is reached. */
export const installOptions: readonly OptionName[] = ['kubeconfig', 'namespace', 'secret-name', 'owner-cluster-role'];

/**
 * Reads the command line and the environment, and runs the subcommand. A flag wins over its variable. The values of
 * shared options are passed as text: `readConfig` checks all of them at once.
 *
 * @param subcommands the first one is the default.
 * @returns the exit code.
 */
export async function parseCommandLine(
  args: readonly string[],
  subcommands: Readonly<Record<string, Subcommand>>,
  output: Output,
): Promise<number> {
  let exitCode = 0;
  const program = new Command('terraform-daemon')
    .description("Makes each Job of KubeVela's terraform-controller run once.")
    .version(version)
    .showHelpAfterError('(--help lists all options)')
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => output.stdout.write(text),
      writeErr: (text) => output.stderr.write(text),
    })
    .exitOverride();
  const [defaultCommand] = Object.entries(subcommands).map(([name, subcommand]) => {
    const command = program.command(name).description(subcommand.description).addHelpText('after', subcommand.help);
    const shared = subcommand.shared.map(toOption);
    for (const option of [...subcommand.own.map(toOwnOption), ...shared]) command.addOption(option);
    return command.action(async (values: Readonly<Record<string, never>>) => {
      const raw = Object.fromEntries(shared.map((option) => [option.name(), values[option.attributeName()]]));
      exitCode = await subcommand.run(raw, values as never, output);
    });
  });
  if (defaultCommand) program.addHelpText('after', () => optionsHelp(defaultCommand));
  const isForProgram = args[0] !== undefined && /^([^-]|-h$|--help$|-V$|--version$)/.test(args[0]);
  try {
    // Commander's own default command would take a mistyped command for an argument of it.
    await program.parseAsync(isForProgram ? args : [defaultCommand?.name() ?? '', ...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error, output);
  }
}

/** Writes what is wrong, unless commander has written it. */
function exitCodeOf(error: unknown, { stderr }: Output): number {
  // --help and --version are exceptions of commander too, with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usageError;
  if (!(error instanceof OperatorError)) throw error;
  const isUsageError = error.code === 'CONFIG_INVALID';
  const message = isUsageError
    ? `these options cannot be used\n${error.message}\n(--help lists all options)`
    : error.message;
  stderr.write(`terraform-daemon: ${error.code}: ${message}\n`);
  return isUsageError ? exitCodes.usageError : exitCodes.failed;
}

function toOwnOption({ flags, description, default: value, defaultText, parse }: OwnOption): Option {
  const option = new Option(flags, description).default(value, defaultText);
  if (parse === undefined) return option;
  return option.argParser((text) => {
    const parsed = parse(text);
    if ('allowed' in parsed) throw new InvalidArgumentError(`Allowed is ${parsed.allowed}.`);
    return parsed.value;
  });
}

function toOption(name: OptionName): Option {
  const { placeholder, description, default: value, defaultText }: OptionDefinition<unknown> = options[name];
  const text = defaultText === undefined ? description : `${description} (default: ${defaultText})`;
  return new Option(`--${name} <${placeholder}>`, text).env(environmentName(name)).default(value);
}

function optionsHelp(command: Command): string {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: 100 });
  const width = help.padWidth(command, help);
  const lines = command.options.map((option) =>
    help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
  );
  return `\nOptions of ${command.name()}:\n${lines.join('\n')}`;
}
