import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Span, timeKill } from '../support/chaos/admission-outcomes.ts';
import { type Link, startLink } from '../support/chaos/link.ts';
import { DAEMON_USER } from '../support/cluster/cluster.ts';
import { asTheImage } from '../support/cluster/image-entrypoint.ts';
import { type Replica, startReplica } from '../support/cluster/replica.ts';
import type { Service } from '../support/cluster/service.ts';
import { eventually } from '../support/eventually.ts';
import type { HaControlPlane } from './ha-control-plane.ts';
import type { LogTo, Signal } from './schedule.ts';
import type { WindowLog } from './windows.ts';

/** The library for multithreaded programs from Debian's package `libfaketime`. */
const FAKETIME = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;

/** Whether the tests can set the clock of a process on this machine (needs libfaketime). */
export const canJump = (): boolean => existsSync(FAKETIME);

const READY_MS = 60_000;
/** Pause before the restart of a crashed process, like the first restart delay of a kubelet. */
const RESTART_MS = 1_000;

/** A slot for one replica at a time: the test ends its process and starts another in the same slot. */
export interface Slot {
  readonly link: Link;
  /** Returns the running process, or the last one. */
  replica(): Replica;
  /** Ends the process: with SIGTERM as a Pod is deleted, or with SIGKILL. */
  end(signal: Signal): Promise<void>;
  /** Starts a new process. Resolves when its readiness probe succeeds. */
  start(log: LogTo): Promise<void>;
  setClock(bySeconds: number): Promise<void>;
  close(): Promise<void>;
}

export interface SlotOptions {
  readonly plane: HaControlPlane;
  readonly service: Service;
  readonly windows: WindowLog;
  readonly flags: readonly string[];
  readonly killed: (kill: Span) => void;
  /** Called if a process ends without a signal of the harness. */
  readonly crashed: (story: string) => void;
}

export async function startSlot(nth: number, options: SlotOptions): Promise<Slot> {
  const { plane, service, windows, flags } = options;
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-chaos-'));
  const link = await startLink(plane.servers.map(({ port }) => port));
  const kubeconfig = await writeKubeconfigFor(link, plane, folder);
  const clock = join(folder, 'clock');
  await writeFile(clock, '+0\n');
  const fifo = join(folder, 'log');
  await promisify(execFile)('mkfifo', [fifo]);
  // The pipe is also opened for reading, so that the daemon can open it, but no process reads it.
  const unread = await open(fifo, constants.O_RDWR);
  const targets = { reader: undefined, 'full-disk': '/dev/full', 'unread-pipe': fifo };
  let replica: Replica | undefined;
  let isEnding = false;
  let isOver = false;
  let closeDown = windows.open('replica-down', nth);

  const start = async (log: LogTo): Promise<void> => {
    isEnding = false;
    const command = (args: readonly string[]) => commandOf(args, { clock, output: targets[log] });
    const started = await startReplica(service, { kubeconfig, flags, command, remembersLines: 5_000 });
    replica = started;
    void started.ended.then(async (how) => {
      if (isEnding || replica !== started) return;
      options.crashed(`replica ${nth} (log: ${log}) ended by itself: ${how}\n${started.output().slice(-1_500)}`);
      service.remove(started);
      closeDown();
      closeDown = windows.open('replica-down', nth);
      await delay(RESTART_MS);
      if (!isOver) await start('reader');
    });
    const isReady = () => service.ready().some(({ port }) => port === started.port);
    const untilReady = () => {
      if (replica === started && !isOver && !isReady()) throw new Error(`replica ${nth} (log: ${log}) is not ready`);
    };
    try {
      await eventually(untilReady, { withinMs: READY_MS });
    } catch (error) {
      const says = await readinessOf(started);
      throw new Error(`${error} after ${READY_MS} ms; /readyz says: ${says}\n${started.output().slice(-2_000)}`);
    }
    if (replica === started) closeDown();
  };
  return {
    link,
    replica: () => replica as Replica,
    async end(signal) {
      const ending = replica as Replica;
      isEnding = true;
      closeDown();
      closeDown = windows.open('replica-down', nth);
      if (signal === 'SIGTERM') service.remove(ending);
      const kill = await timeKill(() => ending.stop(signal));
      service.remove(ending);
      if (signal === 'SIGKILL') options.killed(kill);
    },
    start,
    setClock: (bySeconds) => writeFile(clock, `${bySeconds < 0 ? '' : '+'}${bySeconds}\n`),
    async close() {
      isOver = true;
      isEnding = true;
      await replica?.stop('SIGKILL');
      await unread.close();
      await link.close();
      await rm(folder, { recursive: true });
    },
  };
}

const readinessOf = ({ probesPort }: Replica): Promise<string> =>
  fetch(`http://127.0.0.1:${probesPort}/readyz?verbose`, { signal: AbortSignal.timeout(5_000) }).then(
    (response) => response.text(),
    (error: unknown) => String(error),
  );

interface Command {
  readonly clock: string;
  /** File for the standard output; `undefined` for a pipe that the test reads. */
  readonly output: string | undefined;
}

async function commandOf(
  flags: readonly string[],
  { clock, output }: Command,
): Promise<readonly [string, ...string[]]> {
  const time = [
    `LD_PRELOAD=${FAKETIME}`,
    `FAKETIME_TIMESTAMP_FILE=${clock}`,
    'FAKETIME_CACHE_DURATION=1',
    // With this setting libfaketime changes only the system clock, not the monotonic clock. A real change of the system
    // clock leaves the monotonic clock unchanged too.
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
  ];
  const daemon = ['/usr/bin/env', ...(canJump() ? time : []), ...(await asTheImage(flags))] as const;
  if (output === undefined) return daemon;
  return ['/bin/sh', '-c', 'file=$1; shift; exec "$@" >"$file"', 'sh', output, ...daemon];
}

/**
 * Writes a kubeconfig with the credentials of the daemon and the address of the link, so that the daemon calls the API
 * servers through the link. Returns the path of the kubeconfig.
 */
async function writeKubeconfigFor(link: Link, { servers }: HaControlPlane, folder: string): Promise<string> {
  const [first] = servers;
  if (first === undefined) throw new Error('there is no API server');
  const text = await readFile(first.kubeconfigFor(DAEMON_USER), 'utf8');
  const file = join(folder, 'kubeconfig');
  await writeFile(file, text.replaceAll(first.url, `https://127.0.0.1:${link.port}`), { mode: 0o600 });
  return file;
}
