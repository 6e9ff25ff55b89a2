import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TERMINATE_MS = 5_000;
const QUOTED_LINES = 12;

/** A running process of the control plane. It does not keep the Node.js process alive. */
export interface Component {
  readonly name: string;
  readonly pid: number;
  /** Path of the file with the output of the process. */
  readonly log: string;
  /** Resolves when the process has ended, with the way it ended, e.g. `exit code 1`. Never rejects. */
  readonly ended: Promise<string>;
  readonly hasEnded: () => boolean;
  /** Sends SIGTERM, later SIGKILL. Resolves when the process has ended. */
  readonly stop: () => Promise<void>;
}

/** Starts the command in `folder` and writes its log there. Rejects if the command cannot be executed. */
export async function startComponent(
  name: string,
  [binary, ...args]: readonly [string, ...string[]],
  folder: string,
): Promise<Component> {
  const log = join(folder, `${name}.log`);
  const output = await open(log, 'a');
  // Detached, so that Ctrl-C on the terminal reaches only this process, which then stops the components in order.
  const child = spawn(binary, args, { cwd: folder, stdio: ['ignore', output.fd, output.fd], detached: true });
  try {
    await once(child, 'spawn');
  } finally {
    await output.close();
  }
  child.unref();
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return { name, pid: child.pid as number, log, ended, hasEnded, stop: () => stopProcess(child, ended) };
}

/** Returns the last lines of the log of a component, for an error message. */
export async function lastLogLines({ log }: Component): Promise<string> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-QUOTED_LINES).join('\n');
}

async function stopProcess(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.ref();
  child.kill('SIGTERM');
  const cancel = new AbortController();
  const late = sleep(TERMINATE_MS, 'late' as const, { signal: cancel.signal }).catch(() => 'late' as const);
  if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL');
  cancel.abort();
  await ended;
}
