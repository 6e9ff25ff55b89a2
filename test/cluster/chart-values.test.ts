import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { KubernetesObject, V1Deployment } from '@kubernetes/client-node';
import { readConfig } from '../../src/cli/config.ts';
import type { OptionName } from '../../src/cli/options.ts';
import { tls13Names } from '../../src/webhook/cipher-suites.ts';
import { CHART } from '../../tools/chart/chart.ts';
import { byName, chartObjects, chartRefusal } from '../../tools/chart/helm.ts';
import { chartValues, type Group } from '../../tools/chart/values.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { RECOMMENDED_LABELS } from '../support/builders/chart-samples.ts';

type Options = Readonly<Partial<Record<OptionName, string | number>>>;

/** Returns the error of the daemon for these options, or `undefined` if it accepts them. */
function daemonRefusal(options: Options): string | undefined {
  try {
    readConfig(Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)])));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Options that are valid alone but contradict another option or a bound, each with the expected error of the chart. The
 * daemon must refuse them too.
 */
const CONTRADICTIONS: readonly (readonly [Options, RegExp])[] = [
  [
    { 'webhook-bind-port': 8080 },
    /options\.metrics-bind-port: invalid value 8080: must differ from options\.webhook-bind-port/,
  ],
  [
    { 'metrics-bind-port': 8090 },
    /options\.metrics-bind-port: invalid value 8090: must differ from options\.webhook-bind-port/,
  ],
  [{ 'webhook-bind-port': 65535, 'metrics-bind-port': 65535 }, /options\.metrics-bind-port: invalid value 65535/],
  [
    { 'drain-time': '1h1ms' },
    /options\.drain-time: invalid value "1h1ms": must be a duration from 0s to 1h, such as 87600h, 90m or 60s/,
  ],
  [{ 'drain-time': '99999999999h' }, /options\.drain-time: invalid value "99999999999h": must be/],
  [{ 'drain-time': '100000000000000000000000000000000000ms' }, /options\.drain-time: invalid value/],
  [{ 'settle-time': '999ms' }, /options\.settle-time: invalid value "999ms": must be a duration from 1s to 24h/],
  [{ 'settle-time': '24h1s' }, /options\.settle-time: invalid value "24h1s"/],
  [
    { 'ca-lifetime': '876001h' },
    /options\.ca-lifetime: invalid value "876001h": must be a duration from 10s to 876000h/,
  ],
  [{ 'cert-lifetime': '9.9s' }, /options\.cert-lifetime: invalid value "9.9s": must be a duration from 10s to 876000h/],
  [
    { 'ca-lifetime': '1h' },
    /options\.cert-lifetime: invalid value "2160h": must not be longer than options\.ca-lifetime \(1h\)/,
  ],
  [
    { 'cert-lifetime': '87600h1ms' },
    /options\.cert-lifetime: invalid value "87600h1ms": must not be longer than options\.ca-lifetime \(87600h\)/,
  ],
  [
    { 'ca-lifetime': '359s', 'cert-lifetime': '1m' },
    /options\.settle-time: invalid value "60s": must not be longer than a sixth of options\.ca-lifetime \(359s\)/,
  ],
  [
    { 'tls-min-version': 'TLSv1.3', 'tls-cipher-suites': 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' },
    new RegExp(
      `options\\.tls-cipher-suites: invalid value "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": must contain one of ${tls13Names.join(', ')}, because options\\.tls-min-version is TLSv1\\.3`,
    ),
  ],
];

const FITTING: readonly Options[] = [
  { 'webhook-bind-port': 443, 'service-port': 443 },
  { 'webhook-bind-port': 8080, 'metrics-bind-port': 8090 },
  { 'drain-time': '1h' },
  { 'drain-time': '60m0.0s' },
  { 'settle-time': '24h' },
  { 'settle-time': '1000ms' },
  { 'ca-lifetime': '876000h', 'cert-lifetime': '876000h' },
  { 'ca-lifetime': '10s', 'cert-lifetime': '10s', 'settle-time': '1.5s' },
  { 'ca-lifetime': '360s', 'cert-lifetime': '6m' },
  { 'tls-cipher-suites': 'ECDHE-RSA-AES128-GCM-SHA256' },
  ...tls13Names.map((suite) => ({
    'tls-min-version': 'TLSv1.3',
    'tls-cipher-suites': `ECDHE-RSA-AES128-GCM-SHA256, ${suite}`,
  })),
];

/** Strings that Kubernetes refuses as label values, names or keys. */
const LABEL_VALUES = ['a b', '-a', 'a-', 'ä', 'a/b', 'a'.repeat(64)];
const SUBDOMAINS = ['A', 'a b', '-a', 'a_b', 'a..b', 'a.', `${'a'.repeat(254)}`];
const NAMES = ['', ' ', 'a b', '/a', 'a/', 'A/B', 'a/b/c', '-a', 'a_b/c', 'ä', 'a'.repeat(64), `${'a'.repeat(254)}/b`];
const KEYS = ['a b', 'a/b', '.', '..', '..a', 'ä', 'a'.repeat(254)];
const refusedTexts: Readonly<Record<string, readonly string[]>> = {
  name: ['', 'a.b', 'A', 'a b', '-a', 'a_b', 'a'.repeat(51)],
  'image.repository': [
    '',
    ' ',
    'a b',
    'x # y',
    'a\n',
    'A/B',
    'a:1',
    'a@b',
    '/a',
    'a/',
    'a//b',
    'https://a/b',
    'a'.repeat(256),
  ],
  'image.tag': ['a b', '-a', '.a', 'a/b', 'a:b', 'a'.repeat(129)],
  'image.digest': ['sha256:a', 'a', `sha256:${'A'.repeat(64)}`, `md5:${'a'.repeat(64)}`],
  'image.pullPolicy': ['always', 'true'],
  'image.pullSecrets.0': ['', ...SUBDOMAINS],
  'ownCertificates.secretName': SUBDOMAINS,
  'ownCertificates.certificateKey': ['', ...KEYS],
  'ownCertificates.privateKeyKey': ['', ...KEYS],
  'ownCertificates.caKey': KEYS,
  'clientCa.configMapName': SUBDOMAINS,
  'clientCa.key': ['', ...KEYS],
  priorityClassName: SUBDOMAINS,
  'topologySpread.topologyKey': NAMES,
  'labels.a': LABEL_VALUES,
  'podLabels.a': LABEL_VALUES,
  'nodeSelector.a': LABEL_VALUES,
  'monitoring.labels.a': LABEL_VALUES,
  'monitoring.runbookUrl': ['', 'a#b', 'a b', '{{ $labels.a }}', 'a\n', 'ä'],
};
const refusedNames: Readonly<Record<string, readonly string[]>> = {
  labels: NAMES,
  podLabels: NAMES,
  nodeSelector: NAMES,
  'monitoring.labels': NAMES,
  // Kubernetes accepts capital letters in the prefix of an annotation, see ValidateAnnotations of apimachinery.
  podAnnotations: NAMES.filter((name) => name !== 'A/B'),
  'serviceAccount.annotations': NAMES.filter((name) => name !== 'A/B'),
};
/** Valid chart values that resemble the invalid values above, for example a tag of 128 characters. */
const TAKEN: readonly object[] = [
  ...['a', 'a/b_c.d-e', 'localhost:5000/a', 'Registry.example.com:443/a/b__c', '[::1]:5000/a', 'true', '123'].map(
    (repository) => ({ image: { repository } }),
  ),
  ...['1.10', 'true', '_a', 'a'.repeat(128)].map((tag) => ({ image: { tag } })),
  { ownCertificates: { secretName: 'a.b', certificateKey: '.a', privateKeyKey: 'A_b-c.d', caKey: '' } },
  { labels: { [`${'a'.repeat(253)}/${'b'.repeat(63)}`]: 'c'.repeat(63), 'A.b_c-d': '' } },
  { podAnnotations: { 'A/b': '' }, serviceAccount: { annotations: { 'A.b/C': ' ' } } },
  { monitoring: { enabled: true, runbookUrl: "https://[::1]:8080/a%20b/~c;d?e=f&g=(h)!*'$,@+" } },
  { topologySpread: { topologyKey: 'a/b' }, nodeSelector: { 'a/b': 'c' } },
];

/** Returns chart values with one text at a path such as `image.tag`. */
const at = (path: string, text: string): object =>
  path
    .split('.')
    .reduceRight<unknown>((value, field) => (field === '0' ? [value] : { [field]: value }), text) as object;

const graceOf = (objects: readonly KubernetesObject[]) =>
  (objects.find(({ kind }) => kind === 'Deployment') as V1Deployment).spec?.template.spec
    ?.terminationGracePeriodSeconds;

/**
 * Returns the path of each chart value that has a default, and of each group of such values. `resources` is left out,
 * because null does not give its default: null removes the resources of the container.
 */
const pathsWithDefault = ({ properties }: Group, prefix = ''): readonly string[] =>
  Object.entries(properties)
    .filter(([name]) => name !== 'resources')
    .flatMap(([name, value]) => [
      prefix + name,
      ...('default' in value ? [] : pathsWithDefault(value as Group, `${prefix}${name}.`)),
    ]);

/** Creates a parent chart with this chart as a subchart and values for it. Returns its folder. */
async function parentChart(t: TestContext, values: object): Promise<string> {
  const folder = await aFolder(t, { 'Chart.yaml': 'apiVersion: v2\nname: parent\nversion: 1.0.0\n' });
  await cp(CHART, join(folder, 'charts', 'terraform-daemon'), { recursive: true });
  await writeFile(join(folder, 'values.yaml'), JSON.stringify({ 'terraform-daemon': values }));
  return folder;
}

describe('the values of the Helm chart', () => {
  const render = (values: object = {}) => chartObjects({ values });
  const refusal = (values: object) => chartRefusal({ values });

  for (const [options, message] of CONTRADICTIONS) {
    it(`the chart refuses options that the daemon refuses: ${JSON.stringify(options)}`, async () => {
      const [, option = ''] = /options\\\.([a-z-]+)/.exec(message.source) ?? [];
      assert.match(await refusal({ options }), message);
      assert.match(daemonRefusal(options) ?? '', new RegExp(`--${option} `));
    });
  }

  it('the chart accepts durations exactly as the daemon does', async () => {
    for (const options of FITTING) {
      assert.equal(daemonRefusal(options), undefined);
      await render({ options });
    }
  });

  it('the chart refuses a grace period that is not longer than the drain time', async () => {
    const refused = [
      [
        { terminationGracePeriodSeconds: 5 },
        /terminationGracePeriodSeconds: invalid value 5: must be at least 6, .* options\.drain-time \(5s\), or 0, which means 15/,
      ],
      [
        { terminationGracePeriodSeconds: 29, options: { 'drain-time': '30s' } },
        /terminationGracePeriodSeconds: invalid value 29: must be at least 31, .* options\.drain-time \(30s\), or 0, which means 40/,
      ],
      [
        { terminationGracePeriodSeconds: 1, options: { 'drain-time': '1s1ms' } },
        /must be at least 2, .*, or 0, which means 12/,
      ],
      [
        { terminationGracePeriodSeconds: 3600, options: { 'drain-time': '1h' } },
        /must be at least 3601, .*, or 0, which means 3610/,
      ],
    ] as const;
    for (const [values, message] of refused) assert.match(await refusal(values), message);
    assert.equal(graceOf(await render({ terminationGracePeriodSeconds: 6 })), 6);
    const none = { 'drain-time': '0s' };
    assert.equal(graceOf(await render({ terminationGracePeriodSeconds: 1, options: none })), 1);
  });

  it('the chart renders number values as integers and refuses numbers beyond int32', async () => {
    const most = 2_147_483_647;
    const objects = await render({
      replicas: most,
      terminationGracePeriodSeconds: most,
      options: { 'drain-time': '1h' },
    });
    const deployment = objects.find(({ kind }) => kind === 'Deployment') as V1Deployment;
    assert.deepEqual([deployment.spec?.replicas, graceOf(objects)], [most, most]);
    for (const name of ['replicas', 'terminationGracePeriodSeconds']) {
      for (const value of [most + 1, 3.5e11, -1, 0.5, '1']) {
        assert.match(await refusal({ [name]: value }), new RegExp(`at '/${name}': `), String(value));
      }
    }
  });

  it('a chart value of null gives the default, for each value and each group', async () => {
    const wanted = await render();
    for (const path of pathsWithDefault(chartValues)) {
      const values = at(path, null as unknown as string);
      assert.deepEqual(await render(values), wanted, path);
    }
  });

  it('a chart value of null gives the default in a subchart too', async (t) => {
    const wanted = byName(await render());
    const nulls = pathsWithDefault(chartValues)
      .filter((path) => !path.includes('.'))
      .map((path) => [path, null]);
    const nested = { image: { tag: null }, monitoring: { enabled: null }, ownCertificates: { secretName: null } };
    for (const values of [Object.fromEntries(nulls), nested]) {
      const parent = await parentChart(t, values);
      assert.deepEqual(byName(await chartObjects({}, undefined, parent)), wanted);
      const given = { 'terraform-daemon': values };
      const plain = await parentChart(t, {});
      assert.deepEqual(byName(await chartObjects({ values: given }, undefined, plain)), wanted);
    }
  });

  it('resources: null removes the resources of the container', async () => {
    const deployment = byName(await render({ resources: null }))['Deployment terraform-daemon'] as V1Deployment;
    assert.equal(deployment.spec?.template.spec?.containers[0]?.resources, undefined);
  });

  for (const [path, texts] of Object.entries(refusedTexts)) {
    it(`the chart refuses a value that Kubernetes refuses: ${path}`, async () => {
      for (const text of texts) {
        const message = await refusal(at(path, text));
        const beginnings = [
          `at '/${path.replaceAll('.', '/')}': `,
          `${path}: invalid value ${JSON.stringify(text)}: must be `,
        ];
        assert.ok(
          beginnings.some((beginning) => message.includes(beginning)),
          `${JSON.stringify(text)}: ${message}`,
        );
      }
    });
  }

  for (const [path, names] of Object.entries(refusedNames)) {
    it(`the chart refuses keys that Kubernetes refuses: ${path}`, async () => {
      const given = Object.fromEntries(names.map((name) => [name, 'a']));
      const message = await refusal(path.split('.').reduceRight<object>((value, field) => ({ [field]: value }), given));
      for (const name of names) {
        assert.ok(message.includes(`${path}: invalid value ${JSON.stringify(name)}: must be `), `${name}: ${message}`);
      }
    });
  }

  it('the chart accepts values that Kubernetes accepts', async () => {
    for (const values of TAKEN) await render(values);
  });

  it('labels of one object override common labels, and each label is rendered once', async () => {
    const labels = { a: 'x', b: '', grafana_dashboard: '0' };
    const objects = byName(
      await render({ labels, podLabels: { a: '' }, monitoring: { enabled: true, labels: { b: 'y' } } }),
    );
    const own = { app: 'terraform-daemon', ...RECOMMENDED_LABELS };
    const template = (objects['Deployment terraform-daemon'] as V1Deployment).spec?.template;
    assert.deepEqual(template?.metadata?.labels, { ...own, ...labels, a: '', 'istio.io/dataplane-mode': 'none' });
    assert.deepEqual(objects['Deployment terraform-daemon']?.metadata?.labels, { ...own, ...labels });
    assert.deepEqual(objects['PrometheusRule terraform-daemon']?.metadata?.labels, { ...own, ...labels, b: 'y' });
    assert.equal(objects['ConfigMap terraform-daemon-dashboard']?.metadata?.labels?.grafana_dashboard, '1');
  });

  it('the Pods keep the webhook port out of service meshes, with the port of the option, unless a value says otherwise', async () => {
    const metadataOf = async (values: object) =>
      (byName(await render(values))['Deployment terraform-daemon'] as V1Deployment).spec?.template.metadata;
    const { labels, annotations } = (await metadataOf({ options: { 'webhook-bind-port': 9443 } })) ?? {};
    assert.equal(labels?.['istio.io/dataplane-mode'], 'none');
    assert.equal(annotations?.['traffic.sidecar.istio.io/excludeInboundPorts'], '9443');
    assert.equal(annotations?.['config.linkerd.io/skip-inbound-ports'], '9443');
    const inMesh = await metadataOf({ podLabels: { 'istio.io/dataplane-mode': 'ambient' } });
    assert.equal(inMesh?.labels?.['istio.io/dataplane-mode'], 'ambient');
  });
});
