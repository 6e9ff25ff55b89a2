import { readFile } from 'node:fs/promises';

/** A failed webhook call after which the API server admitted the Job unchanged. */
export interface FailedOpen {
  readonly at: Date;
  readonly reason: string;
}

/** klog: `W1125 08:13:46.630123    4711 dispatcher.go:225] Failed calling webhook, failing open NAME: failed …: REASON`. */
const LINE = /^W(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{3})\d* .*failing open [^:]+: (.*)$/gm;

/** Returns the webhook calls that failed and were ignored (failurePolicy Ignore), from the log of an API server. The log has local times without the year. */
export async function readFailedOpen(log: string, year = new Date().getFullYear()): Promise<readonly FailedOpen[]> {
  return [...(await readFile(log, 'utf8')).matchAll(LINE)].map(([, ...fields]) => {
    const [month = 0, day, hour, minute, second, ms] = fields.slice(0, 6).map(Number);
    return { at: new Date(year, month - 1, day, hour, minute, second, ms), reason: fields[6] ?? '' };
  });
}
