import type { Command, Option } from 'commander';

/** The shells for which there is a completion script. */
export const shells = ['bash', 'zsh', 'fish'] as const;

/** A command as a shell completes it. */
interface Completed {
  /** The words after the name of the program, such as `applies retry`. Empty for the program itself. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly commands: readonly Completed[];
  /** The values of the argument. */
  readonly choices: readonly string[];
}

interface CompletedOption {
  /** The names with their dashes. The long name is the last one. */
  readonly names: readonly string[];
  readonly description: string;
  /** The name of the value in `--help`. `undefined` if the option has no value. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
}

/** Returns the completion script of a shell, made from the definitions of the commands. */
export const completionScript = (program: Command, shell: (typeof shells)[number]): string =>
  scripts[shell](completed(program, ''));

function completed(command: Command, path: string): Completed {
  return {
    path,
    name: command.name(),
    description: command.description().replaceAll(/\s+/g, ' '),
    options: command.createHelp().visibleOptions(command).map(completedOption),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    commands: command.commands.map((child) => completed(child, `${path} ${child.name()}`.trim())),
  };
}

const completedOption = ({ short, long, flags, description, argChoices }: Option): CompletedOption => ({
  names: [short, long].filter((name) => name !== undefined),
  description,
  value: /<(.+)>/.exec(flags)?.[1],
  choices: argChoices ?? [],
});

const withNested = (command: Completed): readonly Completed[] => [command, ...command.commands.flatMap(withNested)];
const namesOf = ({ options }: Completed): readonly string[] => options.flatMap(({ names }) => names);
/** Returns the words that can follow the command: the names of its commands, or the values of its argument. */
const following = ({ commands, choices }: Completed): string =>
  [...commands.map(({ name }) => name), ...choices].join(' ');
const lines = (parts: readonly string[], indentation: number): string =>
  parts.map((part) => ' '.repeat(indentation) + part).join('\n');

/** Returns a script that works without the package bash-completion. Readline splits `--output=json` at the `=`. */
function bashScript(root: Completed): string {
  // The longest paths are first, because a pattern of `applies` matches the words of `applies retry` too.
  const commands = [...withNested(root)].reverse();
  const paths = commands.flatMap(({ path, commands: children }) =>
    children.map((child) => `'${path} ${child.name}') command='${child.path}' ;;`),
  );
  const values = commands.flatMap(({ path, options }) =>
    path === '' ? [] : options.flatMap((option) => bashValue(path, option)),
  );
  const words = commands.flatMap((command) => [
    `'${command.path} -'*) words='${namesOf(command).join(' ')}' ;;`,
    `'${command.path} '*) words='${following(command) || namesOf(command).join(' ')}' ;;`,
  ]);
  return `# bash completion of terraform-daemon
_terraform_daemon() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command= words= word
  if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case "$command $word" in
${lines(paths, 6)}
    esac
  done
  case "$command $prev" in
${lines(values, 4)}
    *)
      case "$command $cur" in
${lines(words, 8)}
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _terraform_daemon terraform-daemon
`;
}

function bashValue(path: string, { names, value, choices }: CompletedOption): readonly string[] {
  if (value === undefined) return [];
  const pattern = names.map((name) => `'${path} ${name}'`).join(' | ');
  if (choices.length > 0) return [`${pattern}) words='${choices.join(' ')}' ;;`];
  return [`${pattern}) ${value in paths ? 'compopt -o default; ' : ''}return ;;`];
}

/** The names of values that are paths, with how zsh and fish complete them. */
const paths: Readonly<Record<string, { readonly zsh: string; readonly fish: string }>> = {
  file: { zsh: '_files', fish: '-r -F' },
  dir: { zsh: '_files -/', fish: "-x -a '(__fish_complete_directories)'" },
};

/** Returns a script that works as a file in `$fpath` and as text for `source`. */
function zshScript(root: Completed): string {
  const functions = withNested(root).map((command) => {
    const name = zshFunction(command.path);
    const children = command.commands.map((child) => `${child.name}\\:"${zshQuoted(child.description)}"`).join(' ');
    const specs = [
      ...command.options.flatMap(zshSpecs),
      ...(children === '' ? [] : [`'1:command:((${children}))'`]),
      ...(command.choices.length === 0 ? [] : [`'1:value:(${command.choices.join(' ')})'`]),
    ];
    const nested = command.commands.map(
      (child) => `${child.name}) shift words; (( CURRENT-- )); ${zshFunction(child.path)}; return ;;`,
    );
    const dispatch = `  if (( CURRENT > 2 )); then
    case $words[2] in
${lines(nested, 6)}
    esac
  fi
`;
    return `${name}() {
${children === '' ? '' : dispatch}  _arguments \\
${specs.map((spec) => `    ${spec}`).join(' \\\n')}
}
`;
  });
  return `#compdef terraform-daemon
${functions.join('')}if [[ $funcstack[1] == _terraform-daemon ]]; then
  _terraform-daemon "$@"
else
  compdef _terraform-daemon terraform-daemon
fi
`;
}

const zshFunction = (path: string): string => `_terraform-daemon${path === '' ? '' : `-${path.replaceAll(' ', '-')}`}`;
const zshText = (text: string): string => text.replaceAll(/[\\[\]:]/g, '\\$&').replaceAll("'", "'\\''");
/** Escapes a text between double quotes, in which zsh would replace variables. */
const zshQuoted = (text: string): string => zshText(text).replaceAll(/["$`]/g, '\\$&');

function zshSpecs({ names, description, value, choices }: CompletedOption): readonly string[] {
  const action = choices.length > 0 ? `(${choices.join(' ')})` : (paths[value ?? '']?.zsh ?? ' ');
  return names.map((name) => {
    const equals = value !== undefined && name.startsWith('--') ? '=' : '';
    const argument = value === undefined ? '' : `:${zshText(value)}:${action}`;
    return `'(${names.join(' ')})${name}${equals}[${zshText(description)}]${argument}'`;
  });
}

function fishScript(root: Completed): string {
  const commands = withNested(root).flatMap((command) => {
    const seen = command.path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
    const isHere = [
      ...(command.path === '' ? [] : seen),
      ...(command.commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${following(command)}`]),
    ].join('; and ');
    const complete = `complete -c terraform-daemon -n '${isHere}'`;
    return [
      ...command.commands.map((child) => `${complete} -a ${child.name} -d '${fishText(child.description)}'`),
      ...command.choices.map((choice) => `${complete} -a ${choice}`),
      ...command.options.map((option) => `${complete} ${fishOption(option)}`),
    ];
  });
  return `# fish completion of terraform-daemon\ncomplete -c terraform-daemon -f\n${lines(commands, 0)}\n`;
}

const fishText = (text: string): string => text.replaceAll(/[\\']/g, '\\$&');

function fishOption({ names, description, value, choices }: CompletedOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const proposals = choices.length > 0 ? `-x -a '${choices.join(' ')}'` : (paths[value ?? '']?.fish ?? '-x');
  return [...flags, ...(value === undefined ? [] : [proposals]), `-d '${fishText(description)}'`].join(' ');
}

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
