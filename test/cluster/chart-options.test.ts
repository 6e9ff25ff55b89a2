import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../src/cli/config.ts';
import { type OptionName, optionNames, options } from '../../src/cli/options.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { chartObjects, chartRefusal, deploymentOf, optionsOf } from '../../tools/chart/helm.ts';
import { chartsOwn } from '../../tools/chart/values.ts';
import { most, SAMPLES, samples } from '../support/builders/chart-samples.ts';

const ALL = { namespaces: ['*'] };
const aRule = (match: object) => ({ name: 'a', match, set: { backoffLimit: 0 } });
const policyWith = (match: object, namespaceSelector?: object) => ({
  policy: { rules: [aRule(match)], ...(namespaceSelector && { namespaceSelector }) },
});

describe('the values of the Helm chart', () => {
  const refusal = (values: object) => chartRefusal({ values });

  it('the chart accepts each sample value that the daemon accepts for an option, and passes it on unchanged', async () => {
    assert.deepEqual(Object.keys({ ...SAMPLES, ...chartsOwn }).toSorted(), optionNames.toSorted());
    for (let n = 0; n < most(0); n++) {
      const wanted = Object.entries(samples(0, n)).map(([name, value]) => [name, String(value)] as const);
      // client-name requires a client CA.
      const values = { options: samples(0, n), clientCa: { configMapName: 'client-ca' } };
      const { spec } = deploymentOf(await chartObjects({ values }));
      const { 'client-ca-file': file = '', ...given } = optionsOf(spec?.template.spec?.containers[0]);
      assert.deepEqual(given, Object.fromEntries(wanted));
      assert.doesNotThrow(() => readConfig({ ...given, 'client-ca-file': file }));
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
    [{ dnsPolicy: 'None' }, /at '\/dnsPolicy': value must be one of '', 'ClusterFirst', /],
    [{ strategy: { type: 'Rolling' } }, /at '\/strategy\/type': value must be one of 'RollingUpdate', 'Recreate'/],
    [
      { strategy: { rollingUpdate: { maxSurge: '1' } } },
      /at '\/strategy\/rollingUpdate\/maxSurge': '1' does not match/,
    ],
    [{ strategy: { rollingUpdate: { maxSurge: -1 } } }, /at '\/strategy\/rollingUpdate\/maxSurge': minimum: got -1/],
    [
      { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } },
      /strategy\.rollingUpdate: must not be set with strategy\.type Recreate/,
    ],
    [
      { hostNetwork: true, options: { 'webhook-bind-port': 443 } },
      /options\.webhook-bind-port: invalid value 443: must be at least 1024 with hostNetwork/,
    ],
    [
      { hostNetwork: true, options: { 'metrics-bind-port': 1023 } },
      /options\.metrics-bind-port: invalid value 1023: must be at least 1024 with hostNetwork/,
    ],
    [{ options: { 'client-name': 'a' } }, /options\.client-name: requires clientCa\.configMapName/],
    [{ extraEnv: [{ name: 'A=B' }] }, /at '\/extraEnv\/0\/name': 'A=B' does not match pattern/],
    [{ extraEnv: [{ name: 'A', value: 1 }] }, /at '\/extraEnv\/0\/value': got number, want string/],
    [
      { extraEnv: [{ name: 'A' }, { name: 'TERRAFORM_DAEMON_HEAL', value: 'new' }] },
      /extraEnv\[1\]\.name: invalid value "TERRAFORM_DAEMON_HEAL": must not begin with TERRAFORM_DAEMON_: use the value options/,
    ],
    [{ extraVolumes: [{ emptyDir: {} }] }, /at '\/extraVolumes\/0': missing property 'name'/],
    [
      { extraVolumes: [{ name: 'policy', emptyDir: {} }] },
      /extraVolumes\[0\]\.name: invalid value "policy": must differ from the volumes of the chart: api-access, certificates, client-ca, policy/,
    ],
    [{ extraVolumeMounts: [{ name: 'a' }] }, /at '\/extraVolumeMounts\/0': missing property 'mountPath'/],
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
    [policyWith({}), /at '\/policy\/rules\/0\/match': minProperties: got 0, want 1/],
    [policyWith({ labels: {} }), /at '\/policy\/rules\/0\/match\/labels': minProperties: got 0, want 1/],
    [
      policyWith(ALL, { matchExpressions: [{ key: 'a', operator: 'In' }] }),
      /at '\/policy\/namespaceSelector\/matchExpressions\/0': missing property 'values'/,
    ],
    [
      policyWith(ALL, { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] }),
      /at '\/policy\/namespaceSelector\/matchExpressions\/0\/values': maxItems: got 1, want 0/,
    ],
    [policyWith(ALL, {}), /at '\/policy\/namespaceSelector': minProperties: got 0, want 1/],
    [{ policy: { namespaceSelector: { matchLabels: { a: 'b' } } } }, /at '\/policy': .*'rules'/],
    [
      { policy: { rules: [aRule(ALL), aRule(ALL)] } },
      /policy\.rules\[1\]\.name: duplicate value "a": policy\.rules\[0\] has the same name/,
    ],
    [
      { backstop: { enabled: false, limitPatches: true } },
      /backstop\.limitPatches: requires backstop\.enabled, because/,
    ],
    [
      { backstop: { enabled: false }, options: { 'backstop-namespaces': 'a' } },
      /options\.backstop-namespaces: requires backstop\.enabled, because/,
    ],
    [{ labels: { app: 'a' } }, /labels\.app: must not be set: the chart sets it to the value name/],
    [{ podLabels: { app: 'a' } }, /podLabels\.app: must not be set/],
    [{ monitoring: { labels: { app: 'a' } } }, /monitoring\.labels\.app: must not be set/],
    [{ affinity: { foo: 'bar' } }, /at '\/affinity': additional properties 'foo' not allowed/],
  ];
  for (const [values, message] of refusals) {
    it(`the chart refuses the values ${JSON.stringify(values)}`, async () => {
      assert.match(await refusal(values), message);
      if ('policy' in values) assert.ok('problems' in parsePolicy(JSON.stringify(values.policy)));
    });
  }
});
