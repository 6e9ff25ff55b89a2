import { setTimeout as delay } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { PART_LABEL, PART_MS } from '../support/chaos/admission-stream.ts';
import type { Cluster } from '../support/cluster/cluster.ts';

/** A Job that was stored without the endpoint. */
export interface MissedJob {
  readonly name: string;
  readonly storedAt: Date;
  /** The latest time at which the API server stored the write of the backstop: managedFields have whole seconds. */
  readonly cappedAt: Date | undefined;
}

export interface MissedJobs {
  /** Returns the uncapped Jobs that were seen so far, by name. */
  seen(): ReadonlyMap<string, MissedJob>;
  /** Checks until all Jobs are capped or the time is up, and deletes the capped Jobs. */
  finish(withinMs: number): Promise<void>;
}

interface Options {
  readonly clusters: readonly Cluster[];
  readonly namespace: string;
  readonly labelSelector: string;
  readonly perSecond: number;
}

const EVERY_MS = 5_000;
/** The backstop has usually capped a Job by then. An uncapped Job is checked again. */
const RIPE_MS = 20_000;
const FIELD_MANAGER = 'terraform-daemon';

/** Follows what becomes of the Jobs of a stream, and deletes them part by part once all of a part are capped. */
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
      await sweep(ripe()).catch(() => {}); // an API server is away: later
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

/** Whether all Jobs of the part are capped; they are deleted then. */
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
