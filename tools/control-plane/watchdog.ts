import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * A process that outlives this one just long enough to clean up after it: when this process ends, however it ends
 * (also by SIGKILL), the watchdog kills what it was told to watch and removes the folder.
 */
export interface Watchdog {
  /** Replaces the list of processes to kill: one that ended must leave it before its id can be another's. */
  watch(pids: readonly number[]): void;
  /** Ends the watchdog now; it does the same as when this process ends. Resolves when it has. */
  end(): Promise<void>;
}

// Its stdin is a pipe whose other end only this process holds: the kernel closes it whatever happens to us.
// Each line is the whole list of ids. The folder may need more than one try, as killed processes take a moment.
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
    detached: true, // out of reach of Ctrl-C and of a signal to our process group
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  // Somebody killed the watchdog: then there is none, which is no reason to fail.
  child.stdin.on('error', () => {});
  // Must not keep this process alive: its end is what the watchdog waits for.
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
