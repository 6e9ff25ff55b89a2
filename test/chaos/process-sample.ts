import { readdir, readFile } from 'node:fs/promises';
import type { Replica } from '../support/cluster/replica.ts';

/** Memory and handles of a process at one time. */
export interface Holdings {
  readonly rssMiB: number;
  readonly heapMiB: number;
  readonly handles: number;
}

const MIB = 2 ** 20;
const PATIENCE_MS = 10_000;

/** Reads memory, handles and metrics of a replica. Returns `undefined` if the process has ended or does not respond. */
export async function holdingsOf({ pid, probesPort }: Replica): Promise<Holdings | undefined> {
  try {
    const [status, handles, metrics] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readdir(`/proc/${pid}/fd`),
      fetch(`http://127.0.0.1:${probesPort}/metrics`, { signal: AbortSignal.timeout(PATIENCE_MS) }).then((one) =>
        one.text(),
      ),
    ]);
    return {
      rssMiB: numberIn(status, /^VmRSS:\s+(\d+) kB$/m) / 1024,
      heapMiB: numberIn(metrics, /^nodejs_heap_size_used_bytes (\S+)$/m) / MIB,
      handles: handles.length,
    };
  } catch {
    return undefined;
  }
}

/** Resources that the daemon watches. */
const WATCHED = ['secrets', 'mutatingwebhookconfigurations', 'jobs'];

/**
 * Returns the number of open watches on the resources in WATCHED. `metrics` is the text of the metrics of an API
 * server.
 */
export function watchesIn(metrics: string): number {
  const lines = metrics.matchAll(/^apiserver_longrunning_requests\{(.*)\} (\S+)$/gm);
  return [...lines]
    .filter(([, labels = '']) => labels.includes('verb="WATCH"'))
    .filter(([, labels = '']) => WATCHED.some((resource) => labels.includes(`resource="${resource}"`)))
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`${pattern} is not there`);
  return Number(found);
}
