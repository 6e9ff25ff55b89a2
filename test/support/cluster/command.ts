import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { onTerminal, type TerminalOptions, type TerminalOutput } from '../pseudo-terminal.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** The complete environment, except PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Sends SIGTERM when a line of stdout matches. */
  readonly stopAt?: RegExp;
  /** Closes stdout before the command writes to it. */
  readonly isUnread?: boolean;
}

/** Runs the daemon from its source on a pseudo-terminal and resolves when it ends. */
export const terminalCommand = (args: readonly string[], options?: TerminalOptions): Promise<TerminalOutput> =>
  onTerminal([process.execPath, MAIN, ...args], options);

/** Runs the daemon from its source in a separate process and resolves when it ends. */
export async function spawnCommand(
  args: readonly string[],
  { env = {}, stopAt, isUnread = false }: RunOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (stopAt) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      // Only once, because a second signal ends the daemon at once.
      if (!child.killed && stopAt.test(line)) child.kill('SIGTERM');
    });
  }
  if (isUnread) child.stdout.destroy();
  const [stdout, stderr] = await Promise.all([
    isUnread ? '' : text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { exitCode: child.exitCode, stdout, stderr };
}
