import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Target } from '../support/cluster/endpoint.ts';

/** The heap limit that Node.js chooses for the container memory limit of 512 MiB in manifests/base/deployment.yaml. */
const HEAP_MIB = 256;

/** Maximum length of a log line. The endpoint truncates each text of a client in it. */
const LONGEST_LINE = 4_096;

/** The endpoint in a separate process, with its resource usage. */
export interface EndpointChild extends Target {
  /** Returns the peak memory of the process in MiB. */
  maxRssMib(): number;
  /** Returns the CPU time of the process in ms, in steps of 10 ms. */
  cpuMs(): number;
  /** Throws if the process has ended, has written to stderr, or has logged an error or an invalid line. */
  check(): void;
  stop(): Promise<void>;
}

export async function startEndpointChild(): Promise<EndpointChild> {
  const main = fileURLToPath(new URL('endpoint-main.ts', import.meta.url));
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, main], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let failure = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (failure += text));
  const ended = once(child, 'close').then(() => {
    failure = `the endpoint has ended (${child.exitCode ?? child.signalCode}): ${failure}`;
  });
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line').then(([line]) => String(line)), ended.then(() => '')]);
  assert.notEqual(first, '', failure);
  lines.on('line', (line) => {
    failure ||= problemOf(line);
  });
  return {
    ...JSON.parse(first),
    maxRssMib: () => (child.exitCode === null ? maxRssMib(child.pid) : 0),
    cpuMs: () => (child.exitCode === null ? cpuMs(child.pid) : 0),
    check: () => assert.equal(failure, ''),
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Returns the problem of a log line: each line must be one short JSON object that reports no bug. */
function problemOf(line: string): string {
  if (line.length > LONGEST_LINE) return `a line of ${line.length} characters in the log`;
  try {
    return JSON.parse(line).level === 'error' ? `logged: ${line}` : '';
  } catch {
    return `no JSON in the log: ${line}`;
  }
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: fields 14 and 15, after the name in parentheses. */
function cpuMs(pid: number | undefined): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [user, system] = rest.split(' ').slice(11, 13).map(Number);
  return ((user ?? 0) + (system ?? 0)) * 10;
}

function maxRssMib(pid: number | undefined): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1024);
}
