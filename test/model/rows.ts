import type { Bounds } from './bounds.ts';
import type { Exploration } from './explorer.ts';
import type { Rule } from './rules.ts';
import type { Scenario } from './scenarios.ts';

export const PAGE = 'docs/explanation/rotation-model.md';

const BOUNDS = ['ticks', 'replicas', 'API servers', 'faults', 'other bounds'];

/** The columns of the table of scenarios on the page. */
export const scenarioColumns = ['scenario', ...BOUNDS, 'states', 'transitions', 'depth', 'violations', 's'];

const counted = (count: number): string => count.toLocaleString('en-US');
export const rowOf = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function boundsCells(bounds: Bounds): string[] {
  const { settle, replicas, apiServers, faults, kinds } = bounds;
  const isFree = faults === 0 || kinds.length === 0;
  const faultsCell = isFree ? '0' : `${faults === 'each' ? 'each once' : faults}: ${kinds.join(', ')}`;
  return [String(settle), String(replicas), String(apiServers), faultsCell, otherBounds(bounds)];
}

function otherBounds({ start, asks, isLeaseHolder, kinds, longestCut, clocks, ...excepts }: Bounds): string {
  const parts = [
    start === 'empty' ? 'from an install' : '',
    asks.length === 0 ? 'no rotation' : `rotate=${asks.join(', then ')}`,
    isLeaseHolder ? '' : 'no Lease',
    kinds.includes('cut-off') ? `longest cut ${longestCut}` : '',
    clocks.length === 1 ? '' : `clocks ${clocks.join(', ')}`,
    excepts.exceptsStart ? 'start excepted' : '',
    excepts.exceptsDestruction ? 'destruction excepted' : '',
  ];
  return parts.filter((part) => part !== '').join('; ');
}

/** Returns the row of a scenario without the last cell, the seconds. */
export const scenarioRow = ({ name, bounds }: Scenario, exploration: Exploration): string[] => {
  const { states, transitions, depth, isComplete, violation } = exploration;
  const end = violation ? '1' : isComplete ? '0' : '0, given up';
  return [name, ...boundsCells(bounds), ...[states, transitions, depth].map(counted), end];
};

/** Returns the row of a rule that was taken out. */
export const ruleRow = ({ name, change, bounds, violation }: Rule, exploration: Exploration): string => {
  const steps = String(exploration.violation?.history.length);
  return rowOf([name, change, ...boundsCells(bounds), counted(exploration.states), steps, violation]);
};
