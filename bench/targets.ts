import type { Results } from './results.ts';

/** A target and its measured figure. */
export interface Target {
  readonly text: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  readonly unit: '×' | 'ms' | '';
  /** Absent if the part was not measured. */
  readonly found: number | undefined;
}

/**
 * Returns the performance targets of the daemon with their measured figures. A target relative to the Go peer is the
 * quotient of two medians.
 */
export function targetsOf({ endpoint, api, starts }: Results): readonly Target[] {
  const create = endpoint?.load.create;
  const memory = endpoint?.memory;
  return [
    {
      text: 'requests per second on one core, relative to the Go peer',
      ...{ bound: 'at least', limit: 4, unit: '×' },
      found: create && create.ours.perSecond.median / create.go.perSecond.median,
    },
    {
      text: 'p99 at 16 connections, relative to the Go peer',
      ...{ bound: 'at most', limit: 0.4, unit: '×' },
      found: create && create.ours.p99Ms.median / create.go.p99Ms.median,
    },
    {
      text: 'CPU per 1,000 requests, relative to the floor',
      ...{ bound: 'at most', limit: 4, unit: '×' },
      found: create && create.ours.cpuMsPer1000.median / create.floor.cpuMsPer1000.median,
    },
    {
      text: 'latency added to the creation of a Job at the API server, relative to the Go peer',
      ...{ bound: 'at most', limit: 1, unit: '×' },
      found: api && api.added.ours / api.added.go,
    },
    {
      text: 'memory (RSS) after the load, relative to the Go peer',
      ...{ bound: 'at most', limit: 3.5, unit: '×' },
      found: memory && memory.ours.loaded / memory.go.loaded,
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
