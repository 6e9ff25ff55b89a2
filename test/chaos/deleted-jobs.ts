import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../support/cluster/cluster.ts';

const EVERY_MS = 10_000;

/**
 * Deletes all Jobs of the namespace every 10 s until the signal is aborted, so that etcd stays small. Errors are
 * ignored, because the next deletion covers the same Jobs.
 */
export async function keepDeletingJobs({ batch }: Pick<Cluster, 'batch'>, namespace: string, signal: AbortSignal) {
  while (!signal.aborted) {
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
    await batch.deleteCollectionNamespacedJob({ namespace, propagationPolicy: 'Background' }).catch(() => {});
  }
}
