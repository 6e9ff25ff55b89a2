import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { nearest } from '../lib/text.ts';
import { version } from '../lib/version.ts';
import type { RawOptions } from './config.ts';
import { environmentName, type OptionDefinition, type OptionName, optionNames, options } from './options.ts';
import {
  type InspectOptions,
  type OwnOption,
  type PolicyOptions,
  type RotateOptions,
  type Subcommand,
  subcommands,
} from './subcommands.ts';

/** What each subcommand does. */
export interface Commands {
  readonly run: (raw: RawOptions) => Promise<void>;
  readonly inspect: (raw: RawOptions, own: InspectOptions) => Promise<void>;
  readonly policy: (raw: RawOptions, own: PolicyOptions) => Promise<void>;
  readonly rotate: (raw: RawOptions, own: RotateOptions) => Promise<void>;
}

/**
 * Reads the command line and the environment, and calls the subcommand that is asked for. A flag wins over its variable.
 * Values are handed on as they were written: checking them all at once is not done here.
 *
 * Sets the exit code 2 where the command line cannot be understood; then nothing is called.
 */
export async function parseCommandLine(argv: readonly string[], commands: Commands): Promise<void> {
  const program = new Command('terraform-daemon')
    .description("Makes each Job of KubeVela's terraform-controller run once.")
    .version(version)
    .showHelpAfterError('(--help lists all options)')
    .exitOverride();
  const run = program
    .command('run', { isDefault: true })
    .description('issue certificates, register the webhook and serve it (the default)')
    .allowExcessArguments()
    .exitOverride();
  for (const name of optionNames) run.addOption(toOption(name));
  suggestOptions(run);
  run.action(() => {
    const [word] = run.args;
    // What is no command ends up as an argument of the default one, which takes none.
    if (word !== undefined) run.error(wordProblem(word, argv.includes('run') ? undefined : Object.keys(commands)));
    return commands.run(rawOptions(run, optionNames));
  });
  addSubcommand(program, 'inspect', subcommands.inspect, commands.inspect);
  addSubcommand(program, 'policy', subcommands.policy, commands.policy);
  addSubcommand(program, 'rotate', subcommands.rotate, commands.rotate);
  program.addHelpText('after', () => `\nOptions of run:\n${optionLines(run)}`);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // --help and --version end here too, with 0.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}

/** @param names the commands, where one of them was expected. */
const wordProblem = (word: string, names: readonly string[] | undefined): string =>
  names === undefined
    ? `error: too many arguments: '${word}'`
    : `error: unknown command '${word}'${didYouMean(nearest(word, names))}`;

/** Commander compares the flag together with its value, so that it seldom finds the one that is near to `--log-levle=info`. */
function suggestOptions(command: Command): void {
  const nearFlag = (message: string): string | undefined => {
    const [, flag] = /^error: unknown option '(--[^'=]+)=[^']*'\n$/.exec(message) ?? [];
    const flags = command.options.map(({ long }) => long ?? '');
    return flag && nearest(flag, flags);
  };
  command.configureOutput({
    outputError: (message, write) => write(`${message.trimEnd()}${didYouMean(nearFlag(message))}\n`),
  });
}

/** As commander says it. */
const didYouMean = (meant: string | undefined): string => (meant === undefined ? '' : `\n(Did you mean ${meant}?)`);

/** The values of its own options are those that its definitions parse: `Own` says which. */
function addSubcommand<Own>(
  program: Command,
  name: string,
  { description, shared, own, help }: Subcommand,
  action: (raw: RawOptions, own: Own) => Promise<void>,
): void {
  const command = program.command(name).description(description).allowExcessArguments(false).exitOverride();
  command.configureHelp({ helpWidth: 100 }).addHelpText('after', help);
  const ownOptions = own.map(toOwnOption);
  for (const option of [...ownOptions, ...shared.map(toOption)]) command.addOption(option);
  suggestOptions(command);
  command.action(() => {
    const values = ownOptions.map((option) => option.attributeName()).map((key) => [key, command.getOptionValue(key)]);
    return action(rawOptions(command, shared), Object.fromEntries(values) as Own);
  });
}

function toOwnOption({ flags, description, default: value, defaultText, parse }: OwnOption): Option {
  const isShownAsText = defaultText !== undefined && value === undefined;
  const option = new Option(flags, isShownAsText ? `${description} (default: ${defaultText})` : description);
  if (value !== undefined) option.default(value, defaultText);
  return parse === undefined
    ? option
    : option.argParser((text) => {
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

const rawOptions = (command: Command, names: readonly string[]): RawOptions =>
  Object.fromEntries(
    command.options
      .filter((option) => names.includes(option.name()))
      .map((option) => [option.name(), command.getOptionValue(option.attributeName())])
      .filter(([, value]) => value !== undefined),
  );

function optionLines(run: Command): string {
  const help = run.createHelp();
  help.prepareContext({ helpWidth: 100 });
  const width = help.padWidth(run, help);
  return run.options
    .map((option) => help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help))
    .join('\n');
}
