import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { freePort } from '../tools/control-plane/free-port.ts';
import { onServerCore } from './machine.ts';
import type { Programs } from './programs.ts';

export const ENDPOINT = '/modify-terraform-job';

export const serverNames = ['ours', 'go', 'floor'] as const;
export type ServerName = (typeof serverNames)[number];

export const serverTexts: Readonly<Record<ServerName, string>> = {
  ours: 'terraform-daemon',
  go: 'the Go peer',
  floor: 'the floor',
};

/** A server in a separate process on the server's core. Its log is read and discarded. */
export interface Server {
  readonly name: ServerName;
  readonly pid: number;
  readonly port: number;
  /** Time from the start of the process to "ready". */
  readonly startMs: number;
  stop(): Promise<void>;
}

const READY_MS = 60_000;

/** Starts the daemon with the command of the image, and resolves when the daemon logs "ready". */
export async function startOurs(
  programs: Programs,
  kubeconfig: string,
  flags: readonly string[] = [],
): Promise<Server> {
  const port = await freePort();
  const own = [
    `--kubeconfig=${kubeconfig}`,
    '--webhook-bind-address=127.0.0.1',
    `--webhook-bind-port=${port}`,
    `--service-port=${port}`,
    '--metrics-bind-port=0',
    '--drain-time=0s',
  ];
  const startedAt = performance.now();
  const child = start([...programs.daemon.command, 'run', ...own, ...flags], programs.daemon.env);
  await Promise.race([untilReady(child), rejectedAtEnd(child, 'ours')]);
  return serve(child, { name: 'ours', port, startMs: performance.now() - startedAt });
}

/** Starts the Go peer or the floor, and resolves when a TLS handshake with it succeeds. */
export async function startPeer(name: Exclude<ServerName, 'ours'>, programs: Programs): Promise<Server> {
  const port = await freePort();
  const startedAt = performance.now();
  const child = start([...programs[name], `--port=${port}`, `--certificates=${programs.certificates}`], {});
  child.stdout?.resume();
  await Promise.race([untilConnected(port), rejectedAtEnd(child, name)]);
  return serve(child, { name, port, startMs: performance.now() - startedAt });
}

function start(command: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const [file = '', ...args] = onServerCore(command);
  return spawn(file, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function untilReady({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null) throw new Error('the daemon has no stdout');
  const lines = createInterface({ input: stdout });
  for await (const line of lines) {
    if (JSON.parse(line).message === 'ready') break;
  }
  stdout.resume();
}

async function rejectedAtEnd(child: ChildProcess, name: ServerName): Promise<never> {
  const [code, signal] = await once(child, 'close');
  throw new Error(`${serverTexts[name]} exited (${code ?? signal}) before it was ready`);
}

async function untilConnected(port: number): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!(await isConnected(port))) {
    if (performance.now() > deadline)
      throw new Error(`no TLS handshake succeeded on port ${port} within ${READY_MS / 1000} s`);
    await delay(2);
  }
}

/** Reports whether a TLS handshake succeeds. It does not verify the certificate. */
function isConnected(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const end = (isConnected: boolean) => () => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once('secureConnect', end(true)).once('error', end(false));
  });
}

function serve(child: ChildProcess, about: Pick<Server, 'name' | 'port' | 'startMs'>): Server {
  return {
    ...about,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}
