import assert from 'node:assert/strict';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import packageJson from '../../../package.json' with { type: 'json' };
import { optionNames, options } from '../../../src/cli/options.ts';
import { CHART, chartFiles } from '../../../tools/chart/chart.ts';
import { chartsOwn } from '../../../tools/chart/values.ts';
import { projectFile, readDocument } from '../../support/docs.ts';

describe('the Helm chart', () => {
  it('the chart has its generated files up to date', async () => {
    for (const [file, content] of Object.entries(await chartFiles())) {
      const isCurrent = (await readFile(join(CHART, file), 'utf8')) === content;
      assert.ok(isCurrent, `${file}: run "npm run manifests"`);
    }
  });

  it('image and version label of manifests/base have the version of package.json', async () => {
    const labels = await readDocument('manifests/components/labels/kustomization.yaml');
    const deployment = await readDocument('manifests/base/deployment.yaml');
    assert.ok(labels.includes(`\n      app.kubernetes.io/version: ${packageJson.version}\n`));
    assert.ok(deployment.includes(`\n          image: terraform-daemon:${packageJson.version}\n`));
  });

  it('each link in README.md and Chart.yaml of the chart names a file of this repository', async () => {
    for (const file of ['README.md', 'Chart.yaml']) {
      const text = await readDocument(`manifests/helm/${file}`);
      const files = [...text.matchAll(/\/blob\/v[\d.]+\/([\w./-]+)/g)].map(([, name = '']) => name);
      assert.ok(files.length > 1);
      for (const name of files) await assert.doesNotReject(access(projectFile(name)), name);
    }
  });

  it('for each option that the chart sets itself, _checks.tpl and values.schema.json refer to the same chart value', async () => {
    const checks = await readDocument('manifests/helm/templates/_checks.tpl');
    const advice = [...checks.matchAll(/^ {2}"([\w-]+)" "(.*)"$/gm)].map(([, name, text]) => [name, text]);
    assert.deepEqual(Object.fromEntries(advice), chartsOwn);
  });

  it('the chart checks each duration option with the bounds of the daemon', async () => {
    const checks = await readDocument('manifests/helm/templates/_checks.tpl');
    const bounds = [...checks.matchAll(/^ {2}"([\w-]+)" \(list "(\w+)" "(\w+)"\)$/gm)];
    const checked = bounds.map(([, name, shortest, longest]) => [name, `a duration from ${shortest} to ${longest}`]);
    const durations = optionNames
      .filter((name) => options[name].placeholder === 'duration' && !(name in chartsOwn))
      .map((name) => {
        const parsed = options[name].parse('');
        return [name, 'allowed' in parsed ? parsed.allowed.split(',')[0] : ''];
      });
    assert.deepEqual(Object.fromEntries(checked), Object.fromEntries(durations));
  });

  it('each chart template begins with the include that replaces null values by their defaults', async () => {
    for (const [file, text] of await templates(/^[^_]/)) {
      assert.ok(text.startsWith('{{- include "terraform-daemon.defaults" . -}}\n'), file);
    }
  });

  it('the chart templates render only quoted texts, integers and YAML', async () => {
    const isSafe = /\| (quote|int|int64)$|^(include|toYaml|\.Files\.Get) .+ \| nindent \d+$|^toYaml \$object$/;
    const writesNothing = /^(if|else|end|with|range) ?|^\$\w+ :?= |^\/\*/;
    const own = [
      'include "terraform-daemon.defaults" .',
      'include "terraform-daemon.checks" .',
      '. | nindent 8',
      '. | nindent 12',
    ];
    for (const [file, text] of await templates(/^[^_].*\.yaml$/)) {
      const actions = [...text.matchAll(/\{\{-?\s*([\s\S]*?)\s*-?\}\}/g)].map(([, action = '']) => action);
      const unsafe = actions.filter((action) => !isSafe.test(action) && !writesNothing.test(action));
      assert.deepEqual(
        unsafe.filter((action) => !own.includes(action)),
        [],
        file,
      );
    }
  });
});

/** Returns name and text of each template whose name matches. */
async function templates(names: RegExp): Promise<readonly (readonly [file: string, text: string])[]> {
  const folder = join(CHART, 'templates');
  const files = (await readdir(folder)).filter((file) => names.test(file));
  assert.ok(files.length > 5);
  return Promise.all(files.map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const));
}
