import { setTimeout as delay } from 'node:timers/promises';
import type { Replica } from '../support/cluster/replica.ts';
import { type Holdings, holdingsOf } from './process-sample.ts';

/** Samples of memory and handles of each process, by process id. */
export type HoldingsLog = ReadonlyMap<number, readonly Holdings[]>;

const EVERY_MS = 2_000;

/** Samples all running replicas every two seconds until the signal is aborted. Resolves with the samples. */
export async function logHoldings(replicas: () => readonly Replica[], signal: AbortSignal): Promise<HoldingsLog> {
  const log = new Map<number, Holdings[]>();
  while (!signal.aborted) {
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
    for (const replica of replicas()) {
      const holdings = await holdingsOf(replica);
      if (holdings) log.set(replica.pid, [...(log.get(replica.pid) ?? []), holdings]);
    }
  }
  return log;
}
