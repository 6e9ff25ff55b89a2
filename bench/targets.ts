import type { JobsPoint, Results } from './results.ts';

/** A target and its measured figure. */
export interface Target {
  readonly text: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  readonly unit: '×' | 'ms' | 'MiB' | 's' | 'm' | '';
  /** Absent if the part was not measured. */
  readonly found: number | undefined;
}

/**
 * Returns the performance targets of the daemon with their measured figures. A relative target is the quotient of two
 * figures of one run, so that it depends little on the machine.
 */
export function targetsOf({ endpoint, api, starts, jobs, rest }: Results): readonly Target[] {
  const create = endpoint?.load.create;
  const memory = endpoint?.memory.ours;
  return [
    {
      text: 'CPU per 1,000 requests, relative to Go with net/http',
      ...{ bound: 'at most', limit: 1.15, unit: '×' },
      found: create && create.ours.cpuMsPer1000.median / create.plainGo.cpuMsPer1000.median,
    },
    {
      text: 'p99 at 16 connections, relative to Go with net/http',
      ...{ bound: 'at most', limit: 1.5, unit: '×' },
      found: create && create.ours.p99Ms.median / create.plainGo.p99Ms.median,
    },
    {
      text: 'CPU per 1,000 requests, relative to the floor',
      ...{ bound: 'at most', limit: 4, unit: '×' },
      found: create && create.ours.cpuMsPer1000.median / create.floor.cpuMsPer1000.median,
    },
    {
      text: 'requests per second on one core, relative to Go with controller-runtime',
      ...{ bound: 'at least', limit: 4, unit: '×' },
      found: create && create.ours.perSecond.median / create.controllerRuntime.perSecond.median,
    },
    {
      text: 'latency added to the creation of a Job at the API server, relative to Go with controller-runtime',
      ...{ bound: 'at most', limit: 1, unit: '×' },
      found: api && api.added.ours / api.added.controllerRuntime,
    },
    {
      text: 'memory (RSS) before the load',
      ...{ bound: 'at most', limit: 80, unit: 'MiB' },
      found: memory?.rest,
    },
    {
      text: 'memory (RSS) after the load',
      ...{ bound: 'at most', limit: 92, unit: 'MiB' },
      found: memory?.loaded,
    },
    {
      text: 'start to ready with an existing Secret',
      ...{ bound: 'at most', limit: 600, unit: 'ms' },
      found: starts?.existing.median,
    },
    {
      text: 'start to ready without a Secret (includes key generation)',
      ...{ bound: 'at most', limit: 1000, unit: 'ms' },
      found: starts?.fresh.median,
    },
    ...jobTargets(jobs, 'Complete'),
    ...jobTargets(jobs, 'Failed'),
    {
      text: 'CPU at rest of the replica with the Lease, in thousandths of a core, the higher turn',
      ...{ bound: 'at most', limit: 3, unit: 'm' },
      found: rest && Math.max(...rest.turns.map(({ withLease }) => withLease.millicores)),
    },
    {
      text: 'CPU at rest of a replica without the Lease, in thousandths of a core, the higher turn',
      ...{ bound: 'at most', limit: 2, unit: 'm' },
      found: rest && Math.max(...rest.turns.map(({ withoutLease }) => withoutLease.millicores)),
    },
    {
      text: 'plain Jobs that reach the endpoint',
      ...{ bound: 'at most', limit: 0, unit: '' },
      found: api?.plain.reached,
    },
  ];
}

/** The targets of a start among very many finished Jobs. A cluster with very many failed Jobs is rare, but the worst case. */
function jobTargets(jobs: Results['jobs'], ended: JobsPoint['ended']): readonly Target[] {
  const few = jobs?.find((point) => point.jobs === 10);
  const many = jobs?.find((point) => point.jobs === 100_000 && point.ended === ended);
  const among = `among 100,000 ${ended} Jobs`;
  return [
    {
      text: `ten uncapped Jobs ${among} are capped after`,
      ...{ bound: 'at most', limit: 5, unit: 's' },
      found: many?.seconds,
    },
    { text: `CPU of the start ${among}`, ...{ bound: 'at most', limit: 12, unit: 's' }, found: many?.cpuSeconds },
    {
      text: `peak memory of the start ${among}, relative to the start among ten Jobs`,
      ...{ bound: 'at most', limit: 1.15, unit: '×' },
      found: few && many && many.peakMib / few.peakMib,
    },
  ];
}

export const isMet = ({ bound, limit, found }: Target): boolean =>
  found !== undefined && (bound === 'at least' ? found >= limit : found <= limit);
