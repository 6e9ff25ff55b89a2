import { markdownTable } from '../tools/docs/markdown-table.ts';
import { bodyNames, bodyTexts } from './bodies.ts';
import { type Spread, spreadOf } from './figures.ts';
import type { ApiResults, EndpointResults, RestResults, Results, Way } from './results.ts';
import { ways } from './results.ts';
import { isWebhook, rowsOf, type ServerName, serverTexts } from './server-names.ts';
import { isMet, targetsOf } from './targets.ts';

const count = (value: number): string => Math.round(value).toLocaleString('en');
const digits = (value: number): string => (value >= 100 ? count(value) : String(Number(value.toPrecision(3))));

/** Formats a median with the minimum and the maximum in parentheses, unless there is one value only. */
const spread = ({ median, least, most }: Spread): string =>
  least === most ? digits(median) : `${digits(median)} (${digits(least)}–${digits(most)})`;

/** Compares each measured figure with its target. */
export const targetTable = (results: Results): string =>
  markdownTable(
    ['figure', 'target', 'measured', 'result'],
    targetsOf(results).flatMap((target) => {
      const { text, bound, limit, unit, found } = target;
      if (found === undefined) return [];
      const [wanted, measured] = [limit, found].map((figure) => `${digits(figure)} ${unit}`.trim());
      return [[text, `${bound} ${wanted}`, measured ?? '', isMet(target) ? 'met' : '**missed**']];
    }),
  );

/** The choice between the servers: the figures that a user compares first. */
export const choiceTable = ({ load, memory }: EndpointResults): string =>
  markdownTable(
    ['server', 'requests/s', 'CPU ms per 1,000', 'p99 ms', 'memory (RSS) after the load, MiB'],
    rowsOf(load.create).map(([name, { perSecond, cpuMsPer1000, p99Ms }]) => [
      serverTexts[name],
      ...[perSecond, cpuMsPer1000, p99Ms].map(({ median }) => digits(median)),
      digits(memory[name]?.loaded ?? Number.NaN),
    ]),
  );

/**
 * Returns a sentence for each webhook that is compared: in which figures of the choice the daemon is behind it. Figures
 * whose ranges overlap show no difference.
 */
export function standings({ load, memory }: EndpointResults): string {
  const figuresOf = (name: ServerName): readonly (readonly [text: string, figure: Spread])[] => {
    const { perSecond, cpuMsPer1000, p99Ms } = load.create[name] ?? load.create.ours;
    // A lower figure is better, so the time of a request is compared.
    const time = { median: 1 / perSecond.median, least: 1 / perSecond.most, most: 1 / perSecond.least };
    return [
      ['requests/s', time],
      ['CPU', cpuMsPer1000],
      ['p99', p99Ms],
      ['memory', spreadOf([memory[name]?.loaded ?? Number.NaN])],
    ];
  };
  const ours = figuresOf('ours');
  const peers = rowsOf(load.create).filter(([name]) => isWebhook(name) && name !== 'ours');
  return peers
    .map(([name]) => {
      const pairs = figuresOf(name).map(([text, theirs], nth) => ({ text, own: ours[nth]?.[1] ?? theirs, theirs }));
      const times = (one: Spread, other: Spread) => `${digits(one.median / other.median)} ×`;
      const behind = pairs.filter(({ own, theirs }) => own.least > theirs.most);
      const ahead = pairs.filter(({ own, theirs }) => own.most < theirs.least);
      const equal = pairs.filter((pair) => !behind.includes(pair) && !ahead.includes(pair));
      const texts = [
        ['**behind** in', behind.map(({ text, own, theirs }) => `${text} (${times(own, theirs)})`)],
        ['ahead in', ahead.map(({ text, own, theirs }) => `${text} (${times(theirs, own)})`)],
        ['not clearly different in', equal.map(({ text }) => text)],
      ] as const;
      const said = texts
        .filter(([, figures]) => figures.length > 0)
        .map(([how, figures]) => `${how} ${figures.join(', ')}`);
      return `- Compared with ${serverTexts[name]}, the daemon is ${said.join('; ')}.`;
    })
    .join('\n');
}

export const loadTable = ({ load }: EndpointResults): string =>
  markdownTable(
    ['body', 'server', 'requests/s', 'p50 ms', 'p99 ms', 'CPU ms per 1,000'],
    bodyNames.flatMap((body) =>
      rowsOf(load[body]).map(([name, { perSecond, p50Ms, p99Ms, cpuMsPer1000 }]) => {
        const cells = [perSecond, p50Ms, p99Ms, cpuMsPer1000].map(spread);
        return [bodyTexts[body], serverTexts[name], ...cells];
      }),
    ),
  );

export const memoryTable = ({ memory }: EndpointResults): string =>
  markdownTable(
    ['memory (RSS), MiB', 'before the load', 'after the recorded reviews', 'after Jobs of 1 MiB', 'peak'],
    rowsOf(memory).map(([name, { rest, loaded, large, peak }]) => [
      serverTexts[name],
      ...[rest, loaded, large, peak].map(digits),
    ]),
  );

const wayTexts: Readonly<Record<Way, string>> = {
  nothing: 'no webhook and no policy',
  policy: 'a MutatingAdmissionPolicy',
  ours: serverTexts.ours,
  plainGo: serverTexts.plainGo,
  controllerRuntime: serverTexts.controllerRuntime,
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
  const { endpoint, api, starts, rest, runs, ...others } = results;
  const parts = [
    targetTable(results),
    endpoint && choiceTable(endpoint),
    endpoint && loadTable(endpoint),
    endpoint && memoryTable(endpoint),
    api && apiTable(api),
    starts && startTable(starts),
    rest && restTable(rest),
    Object.keys(others).length > 0 ? JSON.stringify(others, undefined, 1) : undefined,
  ];
  return parts.filter((part) => part !== undefined).join('\n\n');
}

export const restTable = ({ turns }: RestResults): string =>
  markdownTable(
    ['replica', 'turn', 'CPU, m', 'context switches per minute', 'TLS handshakes per minute', 'RSS, MiB', 'PSS, MiB'],
    turns.flatMap(({ withLease, withoutLease }, turn) =>
      Object.entries({ 'with the Lease': withLease, 'without the Lease': withoutLease }).map(([replica, figures]) => {
        const { millicores, switchesPerMinute, handshakesPerMinute, rssMib, pssMib } = figures;
        const cells = [millicores, switchesPerMinute, handshakesPerMinute, rssMib, pssMib].map(digits);
        return [replica, String(turn + 1), ...cells];
      }),
    ),
  );

export const startTable = (starts: Required<Results>['starts']): string =>
  markdownTable(
    ['start to ready, ms', 'median', 'minimum', 'maximum'],
    Object.entries({
      [`${serverTexts.ours}, without a Secret`]: starts.fresh,
      [`${serverTexts.ours}, with its Secret`]: starts.existing,
      ...Object.fromEntries(rowsOf(starts.peers).map(([name, spread]) => [serverTexts[name], spread])),
    }).map(([text, { median, least, most }]) => [text, ...[median, least, most].map(digits)]),
  );
