import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism, cpus, release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** The measured server has the first core. The load, the API server, etcd and this process share the second core. */
export const SERVER_CORE = '0';
export const LOAD_CORE = '1';

/** Pins this process, and each process that it starts, to the core of the load. Throws if there is only one core. */
export function pinToLoadCore(): void {
  if (availableParallelism() < 2)
    throw new Error('the benchmark needs two cores: one for the server and one for the load');
  execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', LOAD_CORE, String(process.pid)], { stdio: 'ignore' });
}

/** Required programs, with the Debian package of each program. */
const TOOLS = { taskset: 'util-linux', wrk: 'wrk', go: 'golang' } as const;

/** Throws an error that names the missing programs. */
export function checkTools(): void {
  const missing = Object.entries(TOOLS).filter(([tool]) => spawnSync(tool, ['--version']).error !== undefined);
  const texts = missing.map(([tool, debian]) => `${tool} (on Debian in ${debian})`);
  if (texts.length > 0) throw new Error(`the benchmark needs ${texts.join(' and ')}`);
}

/** Returns a command that runs the given command on the core of the server. `taskset` replaces itself, so the PID is the same. */
export const onServerCore = (command: readonly string[]): readonly string[] => [
  'taskset',
  '--cpu-list',
  SERVER_CORE,
  ...command,
];

export const onLoadCore = (command: readonly string[]): readonly string[] => [
  'taskset',
  '--cpu-list',
  LOAD_CORE,
  ...command,
];

/** Returns processor, kernel, Node.js and Go of this machine as one text. */
export function describeMachine(): string {
  const go = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim().replace(/^go/, 'Go ');
  return `${cpus()[0]?.model ?? 'unknown processor'}, Linux ${release()}, Node.js ${process.versions.node}, ${go}`;
}

const SAMPLE_MS = 5_000;

/**
 * Returns how many cores are busy during one measurement, for example 0.3. Call it before any measured process starts.
 * The load average is not used, because it also counts finished work.
 */
export async function othersLoad(): Promise<number> {
  const before = cpuTimes();
  await delay(SAMPLE_MS);
  const after = cpuTimes();
  const total = after.total - before.total;
  return (cpus().length * (total - (after.idle - before.idle))) / total;
}

function cpuTimes(): { readonly idle: number; readonly total: number } {
  const times = cpus().map(({ times }) => times);
  const sum = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0);
  return { idle: sum(times.map(({ idle }) => idle)), total: sum(times.flatMap((each) => Object.values(each))) };
}
