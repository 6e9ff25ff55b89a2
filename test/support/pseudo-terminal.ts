import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';

export interface TerminalOptions {
  /** The complete environment, except PATH and TERM. */
  readonly env?: Readonly<Record<string, string>>;
  /** Columns of the terminal. Default: 100. */
  readonly columns?: number;
  /** Keys to press, each when the output since the last keys matches. */
  readonly keys?: readonly { readonly after: RegExp; readonly press: string }[];
}

export interface TerminalOutput {
  readonly exitCode: number | null;
  /** Everything that the terminal received, with its control characters. */
  readonly received: string;
  /** The lines that the terminal shows at the end. */
  readonly screen: readonly string[];
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** Runs a command on a pseudo-terminal of `script` (util-linux) and resolves when the command ends. */
export async function onTerminal(
  command: readonly string[],
  { env = {}, columns = 100, keys = [] }: TerminalOptions = {},
): Promise<TerminalOutput> {
  const line = `stty cols ${columns} rows 40; exec ${command.map(quoted).join(' ')}`;
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', line, '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 120_000,
  });
  const left = [...keys];
  let received = '';
  let from = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    received += text;
    const [next] = left;
    if (next === undefined || !next.after.test(received.slice(from))) return;
    left.shift();
    from = received.length;
    child.stdin.write(next.press);
  });
  await once(child, 'close');
  return { exitCode: child.exitCode, received, screen: shownBy(received) };
}

/** Returns the lines that a terminal shows: a text after a carriage return replaces the text at its place. */
const shownBy = (received: string): readonly string[] =>
  stripVTControlCharacters(received)
    .split('\n')
    .map((line) =>
      line
        .split('\r')
        .reduce((shown, text) => text + shown.slice(text.length), '')
        .trimEnd(),
    );
