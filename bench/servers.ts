import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { freePort } from '../tools/control-plane/free-port.ts';
import { onServerCore } from './machine.ts';
import type { Programs } from './programs.ts';
import { type PeerName, type ServerName, serverTexts } from './server-names.ts';

export const ENDPOINT = '/modify-terraform-job';

/** A server in a separate process on the server's core. */
export interface Server {
  readonly name: ServerName;
  readonly pid: number;
  readonly port: number;
  /** Time from the start of the process to "ready". */
  readonly startMs: number;
  /** The log of the server. It is read and discarded if nothing else reads it. */
  readonly log: Readable;
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

/** Starts a peer, and resolves when a TLS handshake with it succeeds. */
export async function startPeer(name: PeerName, programs: Programs): Promise<Server> {
  const port = await freePort();
  const startedAt = performance.now();
  const command = programs.peers.commands[name];
  if (command === undefined) throw new Error(`${serverTexts[name]} was not built`);
  const child = start([...command, `--port=${port}`, `--certificates=${programs.certificates}`], {});
  child.stdout.resume();
  await Promise.race([untilConnected(port), rejectedAtEnd(child, name)]);
  return serve(child, { name, port, startMs: performance.now() - startedAt });
}

type Child = ChildProcessByStdio<null, Readable, null>;

function start(command: readonly string[], env: Readonly<Record<string, string>>): Child {
  const [file = '', ...args] = onServerCore(command);
  return spawn(file, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function untilReady({ stdout }: Child): Promise<void> {
  const lines = createInterface({ input: stdout });
  for await (const line of lines) {
    if (JSON.parse(line).message === 'ready') break;
  }
  stdout.resume();
}

async function rejectedAtEnd(child: Child, name: ServerName): Promise<never> {
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
      // `end` sends the last message of the handshake first. The Go peers log a handshake that is cut off.
      socket.end();
      resolve(isConnected);
    };
    socket.once('secureConnect', end(true)).once('error', end(false));
  });
}

function serve(child: Child, about: Pick<Server, 'name' | 'port' | 'startMs'>): Server {
  return {
    ...about,
    pid: child.pid ?? 0,
    log: child.stdout,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}
