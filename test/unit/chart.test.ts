import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadYaml } from '@kubernetes/client-node';
import { CHART, chartFiles, valuesTable } from '../../scripts/chart.ts';
import { chartsOwn } from '../../scripts/chart-values.ts';
import { readDocument } from '../support/docs.ts';

describe('the Helm chart', () => {
  it('has the generated files as they are made', async () => {
    for (const [file, content] of Object.entries(await chartFiles())) {
      assert.equal(await readFile(join(CHART, file), 'utf8'), content, `${file}: run "npm run manifests"`);
    }
  });

  it('has the version of the package, and of the image that it installs', async () => {
    const { version } = JSON.parse(await readDocument('package.json'));
    const chart = loadYaml<Record<string, string>>(await readDocument('manifests/helm/Chart.yaml'));
    assert.deepEqual([chart.version, chart.appVersion], [version, version]);
  });

  it('has a row for each value in docs/install.md, and no other', async () => {
    const document = await readDocument('docs/install.md');
    assert.ok(document.includes(`\n\n${valuesTable()}\n\n`), `the table should be:\n${valuesTable()}`);
  });

  it('gives for each option that is its own the advice that the schema gives', async () => {
    const helpers = await readDocument('manifests/helm/templates/_helpers.tpl');
    const advice = [...helpers.matchAll(/^ {2}"([\w-]+)" "(.*)"$/gm)].map(([, name, text]) => [name, text]);
    assert.deepEqual(Object.fromEntries(advice), chartsOwn);
  });
});
