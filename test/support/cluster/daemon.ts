import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../tools/control-plane/free-port.ts';

/** The bundle as it is shipped: `npm run build` makes it. */
export const BUNDLE = fileURLToPath(new URL('../../../dist/terraform-daemon.js', import.meta.url));

/** A line that has not come by then does not come. */
const LINE_MS = 120_000;

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A daemon in a process of its own, on ports of its own. */
export interface Daemon {
  readonly port: number;
  readonly pid: number;
  /** What it has logged so far. */
  readonly lines: readonly LogLine[];
  /** Everything that it has written so far, as it wrote it. */
  readonly output: () => string;
  /** Resolves with the first line that has this message, also one from before. Rejects when the process ends first. */
  line(message: string): Promise<LogLine>;
  /** A path of the probes' port. */
  probe(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Sends the signal and resolves with the exit code, or with the signal's name when that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
  /** Resolves with the same, whoever ends it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export interface DaemonOptions {
  readonly kubeconfig: string;
  readonly flags?: readonly string[];
  /** A free one by default. */
  readonly port?: number;
  /** Where several share one Service, whose port is one; by default the port that it listens on. */
  readonly servicePort?: number;
  /** Where somebody is to probe it before it has said where; any by default. */
  readonly probesPort?: number;
  /** How many of its last lines are kept; by default all of them. */
  readonly remembersLines?: number;
  /** What is started with the flags; by default the bundle. */
  readonly command?: (flags: readonly string[]) => Promise<readonly [string, ...string[]]>;
}

/** Starts a daemon out of cluster. It listens on loopback. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { command = async (flags: readonly string[]) => [process.execPath, BUNDLE, ...flags] as const } = options;
  const port = options.port ?? (await freePort());
  const [file, ...args] = await command([...baseFlags(options, port), ...(options.flags ?? [])]);
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return observe(child, { port, most: options.remembersLines ?? Number.POSITIVE_INFINITY });
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

function observe(child: ChildProcess, { port, most }: { readonly port: number; readonly most: number }): Daemon {
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
  const ended = once(child, 'close').then(() => child.exitCode ?? child.signalCode);
  const output = () => raw.join('\n');

  async function line(message: string): Promise<LogLine> {
    const deadline = AbortSignal.timeout(LINE_MS);
    for (;;) {
      const found = lines.find((candidate) => candidate.message === message);
      if (found) return found;
      if (child.exitCode !== null || child.signalCode !== null) {
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
      const { probesPort } = await line('ready');
      const response = await fetch(`http://127.0.0.1:${probesPort}${path}`);
      return { status: response.status, text: await response.text() };
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}
