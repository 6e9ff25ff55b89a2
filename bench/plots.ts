import { writeFile } from 'node:fs/promises';
import { init } from 'echarts';
import type { Results } from './results.ts';
import { rowsOf, serverTexts } from './server-names.ts';

interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly file: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
}

/** Returns one plot for each curve that was measured. */
export function plotsOf({ connections, jobs, replicas }: Results): readonly Plot[] {
  const byConnections = (field: 'perSecond' | 'p99Ms'): Line[] =>
    rowsOf(connections?.[0] ?? {}).map(([name]) => ({
      name: serverTexts[name],
      points: (connections ?? []).map((point) => [point.connections, point[name]?.[field] ?? Number.NaN]),
    }));
  const byEnd = (field: 'seconds' | 'peakMib'): Line[] =>
    (['Complete', 'Failed'] as const).map((wanted) => ({
      name: `${wanted} Jobs`,
      points: (jobs ?? []).filter(({ ended }) => ended === wanted).map((point) => [point.jobs, point[field]]),
    }));
  const plots: Plot[] = [
    {
      ...{ file: 'requests.svg', title: 'Requests per second', x: 'connections', y: 'requests/s' },
      lines: byConnections('perSecond'),
    },
    { ...{ file: 'p99.svg', title: '99th percentile', x: 'connections', y: 'ms' }, lines: byConnections('p99Ms') },
    {
      ...{ file: 'backstop.svg', title: 'Time until ten uncapped Jobs are capped', x: 'Jobs in the cluster', y: 's' },
      lines: byEnd('seconds'),
    },
    {
      ...{
        file: 'backstop-memory.svg',
        title: 'Peak memory until ten uncapped Jobs are capped',
        x: 'Jobs in the cluster',
        y: 'MiB',
      },
      lines: byEnd('peakMib'),
    },
    {
      ...{ file: 'replicas.svg', title: 'Time until all replicas are ready', x: 'replicas', y: 'ms' },
      lines: [{ name: serverTexts.ours, points: (replicas ?? []).map((point) => [point.replicas, point.readyMs]) }],
    },
  ];
  return plots.filter(({ lines }) => lines.some(({ points }) => points.length > 0));
}

/** Returns the plot as SVG. The background is white, so that the plot is readable on a dark page. */
export function toSvg({ title, x, y, lines }: Plot): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 640, height: 360 });
  const most = Math.max(...lines.flatMap(({ points }) => points.map(([at]) => at)));
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: title, left: 'center' },
    legend: { bottom: 0, show: lines.length > 1 },
    grid: { left: 70, right: 30, top: 50, bottom: 75 },
    xAxis: {
      type: most > 20 ? 'log' : 'value',
      name: x,
      nameLocation: 'middle',
      nameGap: 28,
      min: 'dataMin',
      max: most,
    },
    yAxis: { type: 'value', name: y, min: 0 },
    series: lines.map(({ name, points }) => ({ type: 'line', name, data: points.map(([at, value]) => [at, value]) })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

export async function writePlots(plots: readonly Plot[], folder: string): Promise<void> {
  for (const plot of plots) await writeFile(`${folder}/${plot.file}`, `${toSvg(plot)}\n`);
}
