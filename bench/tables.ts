import { markdownTable } from '../tools/docs/markdown-table.ts';
import { bodyNames, bodyTexts } from './bodies.ts';
import type { Spread } from './figures.ts';
import type { ApiResults, EndpointResults, Results, Way } from './results.ts';
import { ways } from './results.ts';
import { serverNames, serverTexts } from './servers.ts';
import { isMet, targetsOf } from './targets.ts';

const count = (value: number): string => Math.round(value).toLocaleString('en');
const digits = (value: number): string => (value >= 100 ? count(value) : String(Number(value.toPrecision(3))));

/** Formats a median with the minimum and the maximum in parentheses. */
const spread = ({ median, least, most }: Spread): string => `${digits(median)} (${digits(least)}–${digits(most)})`;

export const targetTable = (results: Results): string =>
  markdownTable(
    ['figure', 'target', 'measured', 'result'],
    targetsOf(results).map((target) => [
      target.text,
      `${target.bound} ${digits(target.limit)} ${target.unit}`.trim(),
      target.found === undefined ? 'not measured' : `${digits(target.found)} ${target.unit}`.trim(),
      isMet(target) ? 'met' : '**missed**',
    ]),
  );

export const loadTable = ({ load }: EndpointResults): string =>
  markdownTable(
    ['body', 'server', 'requests/s', 'p50 ms', 'p99 ms', 'CPU ms per 1,000', 'requests/s relative to the Go peer'],
    bodyNames.flatMap((body) =>
      serverNames.map((name) => {
        const { perSecond, p50Ms, p99Ms, cpuMsPer1000 } = load[body][name];
        const ratio = perSecond.median / load[body].go.perSecond.median;
        const cells = [perSecond, p50Ms, p99Ms, cpuMsPer1000].map(spread);
        return [bodyTexts[body], serverTexts[name], ...cells, `${digits(ratio)} ×`];
      }),
    ),
  );

export const memoryTable = ({ memory }: EndpointResults): string =>
  markdownTable(
    ['memory (RSS), MiB', 'idle', 'after the recorded reviews', 'after Jobs of 1 MiB', 'peak'],
    serverNames.map((name) => {
      const { rest, loaded, large, peak } = memory[name];
      return [serverTexts[name], ...[rest, loaded, large, peak].map(digits)];
    }),
  );

const wayTexts: Readonly<Record<Way, string>> = {
  nothing: 'no webhook and no policy',
  policy: 'a MutatingAdmissionPolicy',
  ours: serverTexts.ours,
  go: serverTexts.go,
};

export const apiTable = ({ total, added }: ApiResults): string =>
  markdownTable(
    ['creation of a Job with', 'p50 ms', 'p99 ms', 'added latency, ms'],
    ways.map((way) => {
      const { p50Ms, p99Ms } = total[way];
      return [wayTexts[way], digits(p50Ms), digits(p99Ms), way === 'nothing' ? '–' : digits(added[way])];
    }),
  );

/** Formats the measured parts for a terminal. */
export function summaryOf(results: Results): string {
  const { endpoint, api, starts, ...rest } = results;
  const parts = [
    targetTable(results),
    endpoint && loadTable(endpoint),
    endpoint && memoryTable(endpoint),
    api && apiTable(api),
    starts && startTable(starts),
    JSON.stringify(rest, undefined, 1),
  ];
  return parts.filter((part) => part !== undefined).join('\n\n');
}

export const startTable = (starts: Required<Results>['starts']): string =>
  markdownTable(
    ['start to ready, ms', 'median', 'minimum', 'maximum'],
    Object.entries({
      [`${serverTexts.ours}, without a Secret`]: starts.fresh,
      [`${serverTexts.ours}, with its Secret`]: starts.existing,
      [serverTexts.go]: starts.go,
      [serverTexts.floor]: starts.floor,
    }).map(([text, { median, least, most }]) => [text, ...[median, least, most].map(digits)]),
  );
