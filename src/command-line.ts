import { Command, CommanderError, Option } from 'commander';
import type { RawOptions } from './config.ts';
import { environmentName, type OptionDefinition, type OptionName, optionNames, options } from './options.ts';
import { version } from './version.ts';

/** What each subcommand does. */
export interface Commands {
  readonly run: (raw: RawOptions) => Promise<void>;
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
  run.action(() => {
    const [word] = run.args;
    // What is no command ends up as an argument of the default one, which takes none.
    if (word !== undefined) run.error(wordProblem(word, argv));
    return commands.run(rawOptions(run));
  });
  program.addHelpText('after', () => `\nOptions of run:\n${optionLines(run)}`);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // --help and --version end here too, with 0.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}

const wordProblem = (word: string, argv: readonly string[]): string =>
  `error: ${argv.includes('run') ? 'too many arguments: ' : 'unknown command '}'${word}'`;

function toOption(name: OptionName): Option {
  const { placeholder, description, default: value, defaultText }: OptionDefinition<unknown> = options[name];
  const text = defaultText === undefined ? description : `${description} (default: ${defaultText})`;
  return new Option(`--${name} <${placeholder}>`, text).env(environmentName(name)).default(value);
}

const rawOptions = (run: Command): RawOptions =>
  Object.fromEntries(
    run.options
      .map((option) => [option.name(), run.getOptionValue(option.attributeName())])
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
