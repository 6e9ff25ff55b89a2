import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { type Answered, assertAgree } from '../../../bench/agreement.ts';
import { cases } from '../../../bench/cases.ts';
import { rotated, spreadOf } from '../../../bench/figures.ts';
import { plotsOf, toSvg } from '../../../bench/plots.ts';
import { reportOf } from '../../../bench/report.ts';
import { readResults } from '../../../bench/results.ts';
import { targetTable } from '../../../bench/tables.ts';
import { isMet, targetsOf } from '../../../bench/targets.ts';
import { allowReasons, decide } from '../../../src/policy/decide.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { readReview } from '../../../src/webhook/review.ts';
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

  it('the benchmark page names the date, the machine and the parts of each run, if its parts are from several runs', () => {
    const run = { machine: 'one', othersLoad: 0, date: '2026-11-01' };
    const other = { ...run, machine: 'another', othersLoad: 1 };
    const text = reportOf({ runs: { endpoint: run, rest: other, jobs: run } });
    assert.match(text, /^The run of 2026-11-01 used one, two cores, for the parts endpoint, jobs\.$/m);
    assert.match(
      text,
      /^The run of 2026-11-01 used another, two cores, for the parts rest\.\n\n\*\*The machine was not quiet\*\*/m,
    );
    assert.match(reportOf({ runs: { endpoint: run, jobs: run } }), /^The run of 2026-11-01 used one, two cores\.$/m);
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

describe('the agreement of the servers of the benchmark', () => {
  const answer: Answered = {
    isAllowed: true,
    object: { spec: {} },
    warnings: [],
    auditAnnotations: {},
    line: undefined,
  };

  it('assertAgree() accepts equal answers, and names the case and the server of another answer', () => {
    assertAgree('a dry run', [
      ['ours', answer],
      ['plainGo', structuredClone(answer)],
    ]);
    const others: readonly Partial<Answered>[] = [
      { isAllowed: false },
      { object: { spec: { backoffLimit: 0 } } },
      { warnings: ['w'] },
      { auditAnnotations: { rule: 'terraform' } },
      { line: { name: 'x' } },
    ];
    for (const other of others) {
      assert.throws(
        () =>
          assertAgree('a dry run', [
            ['ours', answer],
            ['plainGo', answer],
            ['rust', { ...answer, ...other }],
          ]),
        /^Error: "a dry run": Rust, hyper and serde_json disagrees with terraform-daemon\n.*\+ actual - expected/s,
      );
    }
  });

  it('the reviews on which the servers must agree have each outcome, effect and caveat of the daemon', () => {
    const decisions = cases().map(({ review }) => decide(readReview(review), terraformPolicy));
    const found = decisions.flatMap((decision) => {
      if (decision.action === 'allow') return decision.reason;
      return decision.action === 'cap' ? [decision.effect, ...decision.caveats] : decision.action;
    });
    const effects = ['once', 'no-retry', 'limited', 'keep'];
    const caveats = 5;
    const without = allowReasons.filter((reason) => !found.includes(reason));
    assert.deepEqual([...without, ...effects.filter((effect) => !found.includes(effect))], []);
    assert.equal(new Set(found).size, allowReasons.length + effects.length + caveats);
  });

  it('each review on which the servers must agree has its own name and uid', () => {
    assert.equal(new Set(cases().map(({ name }) => name)).size, cases().length);
    assert.equal(new Set(cases().map(({ review }) => review.request.uid)).size, cases().length);
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

  it('a missing benchmark figure meets no target, and is not in the table', () => {
    for (const target of targetsOf({})) assert.equal(isMet(target), false, target.text);
    assert.doesNotMatch(targetTable({}), /missed/);
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
