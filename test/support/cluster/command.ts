import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** The whole environment beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Sends SIGTERM once standard output has a line that matches. */
  readonly stopAt?: RegExp;
  /** Closes standard output before anything is written to it. */
  readonly isUnread?: boolean;
}

/** Runs the daemon's source in a process of its own, until that ends. */
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
      if (stopAt.test(line)) child.kill('SIGTERM');
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
