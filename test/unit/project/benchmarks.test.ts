import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { rotated, spreadOf } from '../../../bench/figures.ts';
import { plotsOf, toSvg } from '../../../bench/plots.ts';
import { reportOf } from '../../../bench/report.ts';
import { readResults } from '../../../bench/results.ts';
import { isMet, targetsOf } from '../../../bench/targets.ts';
import { imageEntrypoint } from '../../support/cluster/image-entrypoint.ts';
import { projectFile, readDocument } from '../../support/docs.ts';

describe('the benchmark program', () => {
  it('the stored benchmark results have a measured value for each target in bench/targets.ts', async () => {
    const results = await readResults();
    assert.deepEqual(
      targetsOf(results).filter(({ found }) => found === undefined),
      [],
    );
  });

  it('docs/explanation/benchmarks.md equals the output of the benchmark program', async () => {
    assert.equal(await readDocument('docs/explanation/benchmarks.md'), reportOf(await readResults()));
  });

  it('docs/explanation/benchmarks has an SVG file for each plot of the stored benchmark results', async () => {
    for (const { file } of plotsOf(await readResults())) {
      assert.match(await readFile(projectFile(`docs/explanation/benchmarks/${file}`), 'utf8'), /^<svg /, file);
    }
  });

  it('the benchmark starts the daemon with the command of the image', () => {
    const { nodeFlags, env } = imageEntrypoint();
    assert.equal(env.NODE_ENV, 'production');
    for (const flag of nodeFlags) assert.match(flag, /^--/);
  });
});

describe('the figures of the benchmark', () => {
  it('a benchmark figure is a median with minimum and maximum', () => {
    assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 });
    assert.deepEqual(spreadOf([4, 1, 2, 3]), { median: 2.5, least: 1, most: 4 });
  });

  it('rotated() moves the start of the list of compared servers by one place for each benchmark turn', () => {
    assert.deepEqual(rotated(['a', 'b', 'c'], 4), ['b', 'c', 'a']);
  });

  it('a missing benchmark figure meets no target', () => {
    for (const target of targetsOf({})) assert.equal(isMet(target), false, target.text);
  });

  it('a benchmark figure at the limit meets the target; one beyond it does not', () => {
    const target = { text: '', unit: '×', limit: 4 } as const;
    assert.equal(isMet({ ...target, bound: 'at least', found: 4 }), true);
    assert.equal(isMet({ ...target, bound: 'at least', found: 3.99 }), false);
    assert.equal(isMet({ ...target, bound: 'at most', found: 4.01 }), false);
  });

  it('toSvg() draws a plot with its title and a curve of measured values as an SVG file', () => {
    const svg = toSvg({
      file: '',
      title: 'T',
      x: 'x',
      y: 'y',
      lines: [
        {
          name: 'one',
          points: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    });
    assert.match(svg, /^<svg .*<path .*>T<\/text>.*<\/svg>/s);
  });
});
