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

/** The figures of one server under one load. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPer1000: number;
}

const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));

/**
 * Sends requests to a server with wrk and returns the figures. Each connection stays open and has one request at a
 * time. If the server answers no request in `seconds`, `measure` tries again with twice the time. Throws if any call
 * fails.
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
  const counted = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  if (counted.failures > 0)
    throw new Error(`${server.name}: ${counted.failures} of ${counted.requests} calls failed:\n${stdout}`);
  if (counted.requests === 0) return measure(server, { ...load, seconds: 2 * seconds });
  return {
    perSecond: counted.requests / counted.seconds,
    p50Ms: counted.p50Ms,
    p99Ms: counted.p99Ms,
    cpuMsPer1000: (cpu * 1e6) / counted.requests,
  };
}

/** Number of requests before a measurement. Node.js optimizes code that runs often, so a process is slower at first. */
const WARM_REQUESTS = 15_000;
const WARM_TRIES = 5;

/** Sends at least 15,000 requests to a server, or for 10 s if it is slower, so that Node.js has compiled its code. */
export async function warmUp(server: Server, load: Omit<Load, 'seconds'>): Promise<void> {
  let requests = 0;
  for (let tries = 0; tries < WARM_TRIES && requests < WARM_REQUESTS; tries++) {
    const { perSecond } = await measure(server, { ...load, seconds: 2 });
    requests += 2 * perSecond;
  }
}
