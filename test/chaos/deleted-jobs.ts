import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../support/cluster/cluster.ts';

const EVERY_MS = 10_000;

/**
 * Deletes all Jobs of the namespace again and again, as who runs them would, so that etcd stays small. What a busy API
 * server did not do in time it does the next time.
 */
export async function keepDeletingJobs({ batch }: Pick<Cluster, 'batch'>, namespace: string, signal: AbortSignal) {
  while (!signal.aborted) {
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
    await batch.deleteCollectionNamespacedJob({ namespace, propagationPolicy: 'Background' }).catch(() => {});
  }
}
