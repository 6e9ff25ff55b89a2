import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism, cpus, release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** What is measured has the first core to itself; load, API server, etcd and this process share the second. */
export const SERVER_CORE = '0';
export const LOAD_CORE = '1';

/** Keeps this process, and so all that it starts, on the core of the load. */
export function pinToLoadCore(): void {
  if (availableParallelism() < 2)
    throw new Error('the benchmark needs two cores: one for the server, one for the load');
  execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', LOAD_CORE, String(process.pid)], { stdio: 'ignore' });
}

/** What has to be installed, and by which package of Debian it comes. */
const TOOLS = { taskset: 'util-linux', wrk: 'wrk', go: 'golang' } as const;

/** Throws with what is missing, before anything is built. */
export function checkTools(): void {
  const missing = Object.entries(TOOLS).filter(([tool]) => spawnSync(tool, ['--version']).error !== undefined);
  const texts = missing.map(([tool, debian]) => `${tool} (on Debian in ${debian})`);
  if (texts.length > 0) throw new Error(`the benchmark needs ${texts.join(' and ')}`);
}

/** A command line that runs another one on the core of the server, as the same process. */
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

/** What the figures were measured on. */
export function describeMachine(): string {
  const go = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim().replace(/^go/, 'Go ');
  return `${cpus()[0]?.model ?? 'unknown processor'}, Linux ${release()}, Node.js ${process.versions.node}, ${go}`;
}

const LOOK_MS = 5_000;

/** How many cores the work of others keeps busy, where nothing of ours has been started. A load average tells of what is over. */
export async function othersLoad(): Promise<number> {
  const before = cpuTimes();
  await delay(LOOK_MS);
  const after = cpuTimes();
  const total = after.total - before.total;
  return (cpus().length * (total - (after.idle - before.idle))) / total;
}

function cpuTimes(): { readonly idle: number; readonly total: number } {
  const times = cpus().map(({ times }) => times);
  const sum = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0);
  return { idle: sum(times.map(({ idle }) => idle)), total: sum(times.flatMap((each) => Object.values(each))) };
}
