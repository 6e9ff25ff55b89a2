import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { startWatchdog } from '../../../tools/control-plane/watchdog.ts';
import { projectFile } from '../docs.ts';

/** A copy of the project without what git leaves out: as somebody has it who has just cloned it. */
export interface Checkout {
  readonly folder: string;
  /** Runs a command in it. Rejects with all that it has written where it does not end with 0. */
  run(command: string, env?: NodeJS.ProcessEnv): Promise<void>;
  remove(): Promise<void>;
}

/** Runs the command that it is given once it is told to: not where this process ends before the watchdog knows of it. */
const RUN_WHEN_TOLD = 'read -r && exec bash -c "$0" </dev/null';

/** The copy goes at the latest with this process, however that ends, and with it what is run there. */
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
      // A group of its own, which can be ended as a whole: npm starts others, which would go on to write.
      const child = spawn('bash', ['-c', RUN_WHEN_TOLD, command], { cwd: folder, env, detached: true });
      if (child.pid !== undefined) watchdog.watch([-child.pid]);
      child.stdin.on('error', () => {}).end('\n'); // an error: somebody has killed it already
      const output = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
      watchdog.watch([]);
      if (child.exitCode === 0) return;
      throw new Error(`${command} ended with ${child.exitCode ?? child.signalCode}:\n${output.slice(0, 2).join('')}`);
    },
    async remove() {
      await watchdog.end();
      await rm(folder, { recursive: true, force: true }); // in case somebody killed the watchdog
    },
  };
}
