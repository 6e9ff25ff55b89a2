import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { podNamespace } from '../kube/kubeconfig.ts';
import { OperatorError } from '../lib/errors.ts';
import { version } from '../lib/version.ts';
import { completionScript, shells } from './completion.ts';
import type { RawOptions } from './config.ts';
import { exitCodes } from './exit-codes.ts';
import type { Parser } from './option-parsers.ts';
import {
  environmentName,
  type OptionDefinition,
  type OptionName,
  oftenChanged,
  optionGroups,
  options,
} from './options.ts';

/** An option of a single subcommand. Such an option has no environment variable. */
export interface OwnOption {
  /** The flags in the syntax of commander, such as `-o, --output <format>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: unknown;
  readonly defaultText?: string;
  readonly parse?: Parser<unknown>;
}

/** The only argument of a subcommand. Its value is passed with the values of the options. */
export interface OwnArgument {
  readonly name: string;
  /** How `--help` shows the value. */
  readonly shown: string;
  readonly description: string;
  readonly parse: Parser<unknown>;
}

/** A stream that a command writes to. Only a terminal has `columns`. */
export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface Output {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export interface Subcommand {
  readonly description: string;
  /** Options with the same environment variables and defaults in every subcommand. */
  readonly shared: readonly OptionName[];
  readonly own: readonly OwnOption[];
  readonly argument?: OwnArgument;
  /** Commands of this command by name, such as `retry` of `applies`. */
  readonly subcommands?: Readonly<Record<string, Subcommand>>;
  /** The text below the options in `--help`. */
  readonly help: string;
  /**
   * Runs the subcommand and resolves with the exit code. `raw` has the shared options as text. The argument `own` has
   * the parsed values of the subcommand's own options and of its argument.
   */
  run(raw: RawOptions, own: never, output: Output): Promise<number>;
}

/** The options of every subcommand that calls the API server. */
export const installOptions: readonly OptionName[] = ['kubeconfig', 'namespace', 'secret-name', 'owner-cluster-role'];

const WHAT = "Makes each Job of KubeVela's terraform-controller run once.";
const OFTEN = `Options that users change most: ${oftenChanged.map((name) => `--${name}`).join(', ')}.`;
const VARIABLES = `
Each option of run has an environment variable: TERRAFORM_DAEMON_ plus its name in upper case with
underscores. An option overrides its variable.
`;
const NO_COMMAND =
  'error: outside of a Pod, a command must come first: terraform-daemon check checks the installed daemon (run starts another daemon)';
const HELP_WIDTH = 100;

/**
 * Runs the subcommand that the arguments name, and returns its exit code. A flag overrides its environment variable.
 * The subcommand gets shared options as text, because `readConfig` checks all of them at once.
 *
 * @param subcommands the subcommands by name. The first one is the default in a Pod. Outside of a Pod, arguments without
 * a command are a usage error, because the first one would start the daemon with the rights of the user.
 */
export async function parseCommandLine(
  args: readonly string[],
  subcommands: Readonly<Record<string, Subcommand>>,
  output: Output,
): Promise<number> {
  let exitCode = 0;
  const program = new Command('terraform-daemon')
    .description(`${WHAT}\n${OFTEN}`)
    .version(version)
    .showHelpAfterError('(--help lists all options)')
    .configureHelp({ helpWidth: HELP_WIDTH, optionDescription: ({ description }) => description })
    .configureOutput({
      writeOut: (text) => output.stdout.write(text),
      writeErr: (text) => output.stderr.write(text),
    })
    // An option after the name of a command is an option of that command.
    .enablePositionalOptions()
    .exitOverride();
  const add = (parent: Command, [name, subcommand]: readonly [string, Subcommand]): Command => {
    const { description, help, argument } = subcommand;
    const command = parent.command(name).description(description).addHelpText('after', `${VARIABLES}${help}`);
    const shared = subcommand.shared.map(toOption);
    for (const option of [...subcommand.own.map(toOwnOption), ...shared]) command.addOption(option);
    if (argument) command.argument(`<${argument.shown}>`, argument.description, parserOf(argument.parse));
    command.enablePositionalOptions();
    for (const nested of Object.entries(subcommand.subcommands ?? {})) add(command, nested);
    return command.action(async () => {
      const values: Readonly<Record<string, never>> = command.opts();
      const raw = Object.fromEntries(shared.map((option) => [option.name(), values[option.attributeName()]]));
      const own = argument ? { ...values, [argument.name]: command.processedArgs[0] } : values;
      exitCode = await subcommand.run(raw, own as never, output);
    });
  };
  const [defaultCommand] = Object.entries(subcommands).map((subcommand) => add(program, subcommand));
  if (defaultCommand) {
    program.addHelpText('after', () => optionsHelp(defaultCommand));
  }
  addCompletion(program, output);
  const isForProgram = args[0] !== undefined && /^([^-]|-h$|--help$|-V$|--version$)/.test(args[0]);
  try {
    if (!isForProgram && podNamespace() === undefined) program.error(NO_COMMAND);
    // Commander has a default command too, but it would treat a mistyped subcommand as an argument.
    const given = isForProgram ? args : [defaultCommand?.name() ?? '', ...args];
    // After `help`, commander prints the whole help instead of an error that names the unknown command.
    const isMistyped =
      given[0] === 'help' && given.length > 1 && program.commands.every((command) => command.name() !== given[1]);
    await program.parseAsync(isMistyped ? given.slice(1) : given, { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error, output);
  }
}

const COMPLETION = `
Start a new shell after the commands of your shell. Leave out compinit if ~/.zshrc runs it already.

bash:
  echo 'source <(terraform-daemon completion bash)' >> ~/.bashrc
zsh:
  echo 'autoload -Uz compinit; compinit; source <(terraform-daemon completion zsh)' >> ~/.zshrc
fish:
  mkdir -p ~/.config/fish/completions
  terraform-daemon completion fish > ~/.config/fish/completions/terraform-daemon.fish`;

function addCompletion(program: Command, { stdout }: Output): void {
  program
    .command('completion')
    .description('print a script with which a shell completes commands, options and their values')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText('after', COMPLETION)
    .action((shell) => void stdout.write(completionScript(program, shell)));
}

/** Returns the exit code for an error, and prints the error unless commander has printed it. */
function exitCodeOf(error: unknown, { stderr }: Output): number {
  // Commander throws for --help and --version too, with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usageError;
  if (!(error instanceof OperatorError)) throw error;
  const isUsageError = error.code === 'CONFIG_INVALID';
  const message = isUsageError ? `invalid options\n${error.message}\n(--help lists all options)` : error.message;
  stderr.write(`terraform-daemon: ${error.code}: ${message}\n`);
  return isUsageError ? exitCodes.usageError : exitCodes.failed;
}

function toOwnOption({ flags, description, default: value, defaultText, parse }: OwnOption): Option {
  const option = new Option(flags, withDefault(description, defaultText ?? value)).default(value);
  if (parse === undefined) return option;
  option.argChoices = [...(parse.choices ?? [])];
  return option.argParser(parserOf(parse));
}

const parserOf =
  (parse: Parser<unknown>) =>
  (text: string): unknown => {
    const parsed = parse(text);
    if ('allowed' in parsed) throw new InvalidArgumentError(`Must be ${parsed.allowed}.`);
    return parsed.value;
  };

function toOption(name: OptionName): Option {
  const definition: OptionDefinition<unknown> = options[name];
  const { placeholder, description, default: value, defaultText = value } = definition;
  const option = new Option(`--${name} <${placeholder}>`, withDefault(description, defaultText));
  option.argChoices = [...(definition.parse.choices ?? [])];
  return option
    .env(environmentName(name))
    .default(value)
    .helpGroup(`${groupOf(name)}:`);
}

const withDefault = (description: string, shown: unknown): string =>
  shown === undefined ? description : `${description} (default: ${shown})`;

const groupOf = (name: OptionName): string =>
  Object.entries(optionGroups).find(([, group]) => name in group)?.[0] ?? 'Options';

function optionsHelp(command: Command): string {
  const help = command.createHelp();
  const width = help.padWidth(command, help);
  const groups = help.groupItems([], [...command.options], ({ helpGroupHeading = '' }) => helpGroupHeading);
  const lines = [...groups].flatMap(([heading, group]) => {
    const items = group.map((option) =>
      help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
    );
    return help.formatItemList(heading, items, help);
  });
  return `\n${lines.join('\n').trimEnd()}\n${VARIABLES}`;
}
