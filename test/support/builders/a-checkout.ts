import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { startWatchdog } from '../../../tools/control-plane/watchdog.ts';
import { projectFile } from '../docs.ts';

/** A copy of the project without ignored files, like a fresh clone. */
export interface Checkout {
  readonly folder: string;
  /** Runs a command in the copy. Rejects with its complete output if the exit code is not 0. */
  run(command: string, env?: NodeJS.ProcessEnv): Promise<void>;
  remove(): Promise<void>;
}

/** Waits for a line on stdin before it runs the command, so that the watchdog knows the process id first. */
const RUN_WHEN_TOLD = 'read -r && exec bash -c "$0" </dev/null';

/** Creates the copy. A watchdog ends its commands and removes it when this process ends, even by SIGKILL. */
export async function aCheckout(): Promise<Checkout> {
  const root = projectFile('.');
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-readme-'));
  const watchdog = startWatchdog(folder);
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root });
  for (const file of stdout.trim().split('\n')) {
    await mkdir(join(folder, dirname(file)), { recursive: true });
    await cp(join(root, file), join(folder, file));
  }
  return {
    folder,
    async run(command, env = process.env) {
      // Detached makes a process group, so that the child processes of npm can be ended too.
      const child = spawn('bash', ['-c', RUN_WHEN_TOLD, command], { cwd: folder, env, detached: true });
      if (child.pid !== undefined) watchdog.watch([-child.pid]);
      // Writing fails if the child process was killed before; `close` reports that.
      child.stdin.on('error', () => {}).end('\n');
      const output = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
      watchdog.watch([]);
      if (child.exitCode === 0) return;
      throw new Error(`${command} ended with ${child.exitCode ?? child.signalCode}:\n${output.slice(0, 2).join('')}`);
    },
    async remove() {
      await watchdog.end();
      // The watchdog removes the folder too, unless the watchdog was killed.
      await rm(folder, { recursive: true, force: true });
    },
  };
}
