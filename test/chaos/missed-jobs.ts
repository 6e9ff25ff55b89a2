import { setTimeout as delay } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { PART_LABEL, PART_MS } from '../support/chaos/admission-stream.ts';
import type { Cluster } from '../support/cluster/cluster.ts';

/** A Job that the API server stored uncapped, because its webhook call failed. */
export interface MissedJob {
  readonly name: string;
  readonly storedAt: Date;
  /**
   * The latest time at which the backstop can have capped the Job. managedFields has the time of the write without
   * milliseconds, so this is the last millisecond of that second. Absent while the Job is uncapped.
   */
  readonly cappedAt: Date | undefined;
}

export interface MissedJobs {
  /** Returns the Jobs seen so far that were stored uncapped, by name. */
  seen(): ReadonlyMap<string, MissedJob>;
  /**
   * Checks the Jobs of the whole stream again and again, until all of them are capped or `withinMs` has passed. Deletes
   * the Jobs of each PART_MS of the stream when all of them are capped.
   */
  finish(withinMs: number): Promise<void>;
}

interface Options {
  readonly clusters: readonly Cluster[];
  readonly namespace: string;
  readonly labelSelector: string;
  readonly perSecond: number;
}

const EVERY_MS = 5_000;
/** Minimum age of a time slice at its first check. The backstop has usually capped its Jobs by then. */
const RIPE_MS = 20_000;
const FIELD_MANAGER = 'terraform-daemon';

/**
 * Records which stored Jobs of a stream the API server stored uncapped. Deletes the Jobs of a time slice when all of
 * them are capped.
 */
export function followMissedJobs(options: Options, signal: AbortSignal): MissedJobs {
  const seen = new Map<string, MissedJob>();
  const startedAt = Date.now();
  let next = 0;
  const open = new Set<number>();
  const sweep = async (until: number) => {
    for (; next <= until; next++) open.add(next);
    for (const part of open) if (await isDone(options, part, seen)) open.delete(part);
  };
  const ripe = () => Math.floor((Date.now() - startedAt - RIPE_MS) / PART_MS) - 1;
  const following = (async () => {
    while (!signal.aborted) {
      await delay(EVERY_MS, undefined, { signal }).catch(() => {});
      await sweep(ripe()).catch(() => {}); // if the API server is unavailable, the next sweep checks again
    }
  })();
  return {
    seen: () => seen,
    async finish(withinMs) {
      await following;
      const deadline = Date.now() + withinMs;
      const last = Math.ceil((Date.now() - startedAt) / PART_MS);
      do await sweep(last);
      while (open.size > 0 && Date.now() < deadline && (await delay(1_000, true)));
    },
  };
}

/**
 * Records the uncapped Jobs of one time slice in `seen`. If all Jobs of the slice are capped, deletes them and returns
 * true.
 */
async function isDone(options: Options, part: number, seen: Map<string, MissedJob>): Promise<boolean> {
  const { namespace, clusters } = options;
  const cluster = clusters[part % clusters.length] as Cluster;
  const labelSelector = `${options.labelSelector},${PART_LABEL}=${part}`;
  const { items } = await cluster.batch.listNamespacedJob({ namespace, labelSelector });
  for (const job of items) {
    const missed = missedJob(job);
    if (missed) seen.set(missed.name, missed);
  }
  if (items.some(({ spec }) => spec?.backoffLimit !== 0)) return false;
  await cluster.batch.deleteCollectionNamespacedJob({ namespace, labelSelector, propagationPolicy: 'Background' });
  return true;
}

function missedJob({ metadata, spec }: V1Job): MissedJob | undefined {
  const write = metadata?.managedFields?.find(({ manager }) => manager === FIELD_MANAGER);
  if (write === undefined && spec?.backoffLimit === 0) return undefined;
  const cappedAt = write?.time && new Date(new Date(write.time).getTime() + 999);
  return {
    name: metadata?.name ?? '',
    storedAt: new Date(metadata?.creationTimestamp ?? 0),
    cappedAt: spec?.backoffLimit === 0 ? cappedAt : undefined,
  };
}
