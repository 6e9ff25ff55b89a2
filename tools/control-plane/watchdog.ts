import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * A helper process that cleans up after this process. When this process ends, even by SIGKILL, the watchdog kills the
 * watched processes and removes the folder.
 */
export interface Watchdog {
  /**
   * Replaces the list of processes to kill. An ended process must be taken off the list before the kernel uses its id
   * again.
   */
  watch(pids: readonly number[]): void;
  /** Makes the watchdog clean up and exit now. Resolves when it has exited. */
  end(): Promise<void>;
}

// The program of the watchdog. Its stdin is a pipe from the parent, and the kernel closes the pipe when the parent
// ends in any way. Each line on the pipe is the complete list of process ids. The removal of the folder is tried
// several times, because killed processes take a moment to end.
const SCRIPT = `
trap '' HUP INT TERM
pids=
while read -r line; do pids=$line; done
[ -z "$pids" ] || kill -9 $pids
for try in 1 2 3 4 5 6 7 8 9; do
  rm -rf "$1" && exit
  sleep 0.2
done
`;

export function startWatchdog(folder: string): Watchdog {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'watchdog', folder], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C and signals to the process group must not reach the watchdog
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  // Ignores write errors, so that this process continues if the watchdog was killed.
  child.stdin.on('error', () => {});
  // The watchdog waits for this process to end, so the watchdog must not keep this process alive.
  child.unref();
  (child.stdin as Socket).unref();
  return {
    watch: (pids) => void child.stdin.write(`${pids.join(' ')}\n`),
    end: async () => {
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}
