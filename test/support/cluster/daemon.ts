import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { V1Secret } from '@kubernetes/client-node';
import { freePort } from '../../../tools/control-plane/free-port.ts';
import { eventually } from '../eventually.ts';

/** Path of the bundle that `npm run build` creates. */
export const BUNDLE = fileURLToPath(new URL('../../../dist/terraform-daemon.js', import.meta.url));

/** How long `line` waits for a log line. */
const LINE_MS = 120_000;

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A daemon in a separate process. */
export interface Daemon {
  readonly port: number;
  readonly pid: number;
  /** The log lines so far. */
  readonly lines: readonly LogLine[];
  /** Returns stdout and stderr so far. */
  readonly output: () => string;
  /** Resolves with the first log line with this message, also an earlier one. Rejects if the process ends first. */
  line(message: string): Promise<LogLine>;
  /**
   * Sends a GET request to the port of probes and metrics. If the options do not set this port, the call first waits
   * for the log line `ready`, which contains the port.
   */
  probe(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /**
   * Sends the signal (default SIGTERM). Resolves with the exit code, or with the name of the signal that ended the
   * process.
   */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
  /** Resolves like `stop` when the process ends for any reason. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export interface DaemonOptions {
  readonly kubeconfig: string;
  readonly flags?: readonly string[];
  /** Port of the endpoint. Default: a free port. */
  readonly port?: number;
  /** Port of the Service, for several daemons behind one Service. Default: the port of the endpoint. */
  readonly servicePort?: number;
  /** Port of the probes, for a test that probes before the daemon logs the port. Default: a free port. */
  readonly probesPort?: number;
  /** Number of log lines to keep. Default: all. */
  readonly remembersLines?: number;
  /**
   * Returns the program and the arguments that start the daemon with the command `run` and the given flags. Default: Node.js with the bundle.
   */
  readonly command?: (flags: readonly string[]) => Promise<readonly [string, ...string[]]>;
}

/** Starts a daemon outside of a cluster. It listens on loopback. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { command = async (flags: readonly string[]) => [process.execPath, BUNDLE, ...flags] as const } = options;
  const port = options.port ?? (await freePort());
  const [file, ...args] = await command(['run', ...baseFlags(options, port), ...(options.flags ?? [])]);
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { probesPort = 0, remembersLines = Number.POSITIVE_INFINITY } = options;
  return observe(child, { port, probesPort, most: remembersLines });
}

const baseFlags = ({ kubeconfig, servicePort, probesPort = 0 }: DaemonOptions, port: number): string[] => [
  `--kubeconfig=${kubeconfig}`,
  '--webhook-bind-address=127.0.0.1',
  `--webhook-bind-port=${port}`,
  `--service-port=${servicePort ?? port}`,
  `--metrics-bind-port=${probesPort}`,
  '--drain-time=0s',
  '--log-level=debug',
];

function observe(
  child: ChildProcess,
  { port, probesPort, most }: { readonly port: number; readonly probesPort: number; readonly most: number },
): Daemon {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the daemon has no output');
  const lines: LogLine[] = [];
  const raw: string[] = [];
  const news = new EventTarget();
  createInterface({ input: stdout }).on('line', (line) => {
    raw.push(line);
    lines.push(JSON.parse(line) as LogLine);
    if (lines.length > most) for (const list of [raw, lines]) list.shift();
    news.dispatchEvent(new Event('line'));
  });
  stderr.setEncoding('utf8').on('data', (text: string) => raw.push(text));
  let hasEnded = false;
  // A process can have exited before its last lines are read. It emits `close` after them.
  const ended = once(child, 'close').then(() => {
    hasEnded = true;
    return child.exitCode ?? child.signalCode;
  });
  const output = () => raw.join('\n');

  async function line(message: string): Promise<LogLine> {
    const deadline = AbortSignal.timeout(LINE_MS);
    for (;;) {
      const found = lines.find((candidate) => candidate.message === message);
      if (found) return found;
      if (hasEnded) {
        throw new Error(`the daemon ended before it said "${message}":\n${output()}`);
      }
      if (deadline.aborted) throw new Error(`the daemon has not said "${message}":\n${output()}`);
      await Promise.race([once(news, 'line'), ended, once(deadline, 'abort')]);
    }
  }
  return {
    port,
    pid: child.pid ?? 0,
    lines,
    output,
    line,
    ended,
    async probe(path) {
      const response = await fetch(`http://127.0.0.1:${probesPort || (await line('ready')).probesPort}${path}`);
      return { status: response.status, text: await response.text() };
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

/**
 * Waits until a daemon that starts renews the certificate of this Secret because of its start: the certificate must be
 * older than the start, and its stored time of issue has whole seconds only.
 */
export async function untilRestartRenews(secret: V1Secret | undefined): Promise<void> {
  const issuedAt = Date.parse(secret?.metadata?.annotations?.['terraform.job.kb.io/serving-issued-at'] ?? '');
  await eventually(() => assert.ok(Date.now() >= issuedAt + 1000));
}
