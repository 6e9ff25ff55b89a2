import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release } from 'node:os';

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

/** How many processes of others want the machine's cores, before anything is started. */
export const othersLoad = (): number => loadavg()[0] ?? 0;
