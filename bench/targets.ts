import type { Results } from './results.ts';

/** A target and its measured figure. */
export interface Target {
  readonly text: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  readonly unit: '×' | 'ms' | 'MiB' | '';
  /** Absent if the part was not measured. */
  readonly found: number | undefined;
}

/**
 * Returns the performance targets of the daemon with their measured figures. A target relative to another server is the
 * quotient of two medians of one run, so that it depends little on the machine.
 */
export function targetsOf({ endpoint, api, starts }: Results): readonly Target[] {
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
    {
      text: 'plain Jobs that reach the endpoint',
      ...{ bound: 'at most', limit: 0, unit: '' },
      found: api?.plain.reached,
    },
  ];
}

export const isMet = ({ bound, limit, found }: Target): boolean =>
  found !== undefined && (bound === 'at least' ? found >= limit : found <= limit);
