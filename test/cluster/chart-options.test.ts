import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../src/cli/config.ts';
import { type OptionName, optionNames, options } from '../../src/cli/options.ts';
import { chartObjects, chartRefusal, deploymentOf, optionsOf } from '../../tools/chart/helm.ts';
import { chartsOwn } from '../../tools/chart/values.ts';
import { most, SAMPLES, samples } from '../support/builders/chart-samples.ts';

describe('the values of the Helm chart', () => {
  const refusal = (values: object) => chartRefusal({ values });

  it('the chart accepts each sample value that the daemon accepts for an option, and passes it on unchanged', async () => {
    assert.deepEqual(Object.keys({ ...SAMPLES, ...chartsOwn }).toSorted(), optionNames.toSorted());
    for (let n = 0; n < most(0); n++) {
      const wanted = Object.entries(samples(0, n)).map(([name, value]) => [name, String(value)] as const);
      const { spec } = deploymentOf(await chartObjects({ values: { options: samples(0, n) } }));
      assert.deepEqual(optionsOf(spec?.template.spec?.containers[0]), Object.fromEntries(wanted));
      assert.doesNotThrow(() => readConfig(Object.fromEntries(wanted)));
    }
  });

  it('the chart refuses each sample value that the daemon refuses for an option, in one error that names all options', async () => {
    for (let n = 0; n < most(1); n++) {
      const message = await refusal({ options: samples(1, n) });
      for (const [name, value] of Object.entries(samples(1, n))) {
        assert.match(message, new RegExp(`at '/options/${name}': `), `${name}: ${value}`);
        assert.ok('allowed' in options[name as OptionName].parse(String(value)), `${name}: ${value}`);
      }
    }
  });

  it('if the values set an option that the chart sets itself, the error names the option and what to use instead', async () => {
    const message = await refusal({ options: Object.fromEntries(Object.keys(chartsOwn).map((name) => [name, 'a'])) });
    for (const [name, advice] of Object.entries(chartsOwn))
      assert.ok(message.includes(`options.${name}: must not be set in the chart: ${advice}`), message);
  });

  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ replica: 2 }, /at '': additional properties 'replica' not allowed/],
    [{ options: { hael: 'new' } }, /at '\/options': additional properties 'hael' not allowed/],
    [{ image: { digest: 'abc' } }, /at '\/image\/digest': 'abc' does not match pattern/],
    [{ replicas: '2' }, /at '\/replicas': got string, want integer/],
    [{ monitoring: { enabled: 'yes' } }, /at '\/monitoring\/enabled': got string, want boolean/],
    [{ monitoring: { runbookUrl: 'a#b' } }, /at '\/monitoring\/runbookUrl': 'a#b' does not match pattern/],
    [{ name: 'My App' }, /at '\/name': 'My App' does not match pattern/],
    [{ policy: { rules: [] } }, /at '\/policy\/rules': minItems: got 0, want 1/],
    [
      { policy: { rules: [{ name: 'a', match: {}, set: { backoffLimit: -1 } }] } },
      /at '\/policy\/rules\/0\/set\/backoffLimit': minimum: got -1, want 0/,
    ],
  ];
  for (const [values, message] of refusals) {
    it(`the chart refuses the values ${JSON.stringify(values)}`, async () =>
      assert.match(await refusal(values), message));
  }
});
