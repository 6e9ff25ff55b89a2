import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onLoadCore } from './machine.ts';
import { cpuSeconds } from './process-figures.ts';
import { ENDPOINT, type Server } from './servers.ts';

export interface Load {
  readonly bodyFile: string;
  readonly connections: number;
  readonly seconds: number;
}

/** What one server did under one load. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPer1000: number;
}

const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));

/**
 * Calls a server on connections that stay open, each with one request after the other, as the API server does; twice as
 * long again where nothing was answered in that time. Rejects when a single call fails.
 */
export async function measure(server: Server, load: Load): Promise<Measured> {
  const { bodyFile, connections, seconds } = load;
  const url = `https://127.0.0.1:${server.port}${ENDPOINT}?timeout=10s`;
  const [file = '', ...args] = onLoadCore([
    'wrk',
    '--threads=1',
    `--connections=${connections}`,
    `--duration=${seconds}s`,
    '--timeout=30s',
    `--script=${SCRIPT}`,
    url,
  ]);
  const before = cpuSeconds(server.pid);
  const { stdout } = await promisify(execFile)(file, args, { env: { ...process.env, BENCH_BODY: bodyFile } });
  const cpu = cpuSeconds(server.pid) - before;
  const told = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  if (told.failures > 0)
    throw new Error(`${server.name}: ${told.failures} of ${told.requests} calls failed:\n${stdout}`);
  if (told.requests === 0) return measure(server, { ...load, seconds: 2 * seconds });
  return {
    perSecond: told.requests / told.seconds,
    p50Ms: told.p50Ms,
    p99Ms: told.p99Ms,
    cpuMsPer1000: (cpu * 1e6) / told.requests,
  };
}

/** Node.js compiles what runs often: until then it is not what it will be for years. */
const WARM_REQUESTS = 15_000;
const WARM_TRIES = 5;

/** Calls a server until it is as fast as it gets, or for ten seconds. */
export async function warmUp(server: Server, load: Omit<Load, 'seconds'>): Promise<void> {
  let requests = 0;
  for (let tries = 0; tries < WARM_TRIES && requests < WARM_REQUESTS; tries++) {
    const { perSecond } = await measure(server, { ...load, seconds: 2 });
    requests += 2 * perSecond;
  }
}
