import type { Results } from './results.ts';

/** A figure that is to hold, and what was measured. */
export interface Target {
  readonly text: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  readonly unit: '×' | 'ms' | '';
  /** Absent where it was not measured. */
  readonly found: number | undefined;
}

/** The figures that the daemon is held to. Ratios are those of medians. */
export function targetsOf({ endpoint, api, starts }: Results): readonly Target[] {
  const create = endpoint?.load.create;
  const memory = endpoint?.memory;
  return [
    {
      text: 'requests per second on one core, against the Go peer',
      ...{ bound: 'at least', limit: 4, unit: '×' },
      found: create && create.ours.perSecond.median / create.go.perSecond.median,
    },
    {
      text: 'p99 at 16 connections, against the Go peer',
      ...{ bound: 'at most', limit: 0.4, unit: '×' },
      found: create && create.ours.p99Ms.median / create.go.p99Ms.median,
    },
    {
      text: 'CPU per 1,000 requests, against the floor',
      ...{ bound: 'at most', limit: 4, unit: '×' },
      found: create && create.ours.cpuMsPer1000.median / create.floor.cpuMsPer1000.median,
    },
    {
      text: 'latency added to a create of a Job through the API server, against the Go peer',
      ...{ bound: 'at most', limit: 1, unit: '×' },
      found: api && api.added.ours / api.added.go,
    },
    {
      text: 'memory (RSS) after the load, against the Go peer',
      ...{ bound: 'at most', limit: 3.5, unit: '×' },
      found: memory && memory.ours.loaded / memory.go.loaded,
    },
    {
      text: 'start to ready with an existing Secret',
      ...{ bound: 'at most', limit: 600, unit: 'ms' },
      found: starts?.existing.median,
    },
    {
      text: 'start to ready with nothing there: keys are made',
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
