import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import {
  type KubernetesObject,
  loadYaml,
  type V1ConfigMap,
  type V1Deployment,
  type V1PolicyRule,
} from '@kubernetes/client-node';
import { CHART } from '../../scripts/chart.ts';
import { chartsOwn } from '../../scripts/chart-values.ts';
import { readConfig } from '../../src/config.ts';
import { parseDuration } from '../../src/durations.ts';
import { type OptionName, optionNames, options } from '../../src/options.ts';
import { parsePolicy } from '../../src/policy/schema.ts';
import { readDocument } from '../support/docs.ts';
import { byName, chartObjects, chartRefusal, helm, objectsIn, optionsOf } from '../support/helm.ts';
import { INSTALL, type Kustomization, renderKustomization, renderOverlay } from '../support/manifests.ts';

/** Values of each option, as a user writes them: those that the daemon takes, and those that it does not. */
const SAMPLES: Readonly<
  Record<Exclude<OptionName, keyof typeof chartsOwn>, readonly [taken: readonly unknown[], refused: readonly unknown[]]>
> = {
  'service-name': [
    ['a', 'my-service'],
    ['1a', 'A', 'a.b', '', 'a-', 'a'.repeat(64)],
  ],
  'service-port': [
    [1, 443, 65535],
    [0, 65536, 'https', 1.5],
  ],
  'secret-name': [
    ['a', 'my.secret', '1-a'],
    ['A', 'a..b', '', 'a_b', `${'a'.repeat(254)}`],
  ],
  'webhook-configuration-name': [
    ['a', 'my.configuration'],
    ['A', '-a', '', 'a/b'],
  ],
  'webhook-bind-port': [
    [1, 8090, 65535],
    [65536, -1, 'a'],
  ],
  'webhook-bind-address': [
    ['0.0.0.0', '::', '10.0.0.1'],
    ['localhost', '', 'a b'],
  ],
  'tls-min-version': [
    ['TLSv1.2', 'TLSv1.3'],
    ['TLSv1.1', '', '1.2'],
  ],
  'tls-cipher-suites': [
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256,ECDHE-RSA-AES256-GCM-SHA384'],
    ['', 'a', 'A:B'],
  ],
  'max-connections': [
    [10, 1000],
    [9, 100_001, 'many', 10.5],
  ],
  'failure-policy': [
    ['Ignore', 'Fail'],
    ['fail', '', 'Deny'],
  ],
  'timeout-seconds': [
    [1, 30],
    [0, 31, 'a', 2.5],
  ],
  'ca-lifetime': [
    ['87600h', '876000h'],
    ['10', 'ten hours', '-1h', '1d', ''],
  ],
  'cert-lifetime': [
    ['2160h', '1h30m'],
    ['10', '1 h', ''],
  ],
  'settle-time': [
    ['60s', '1.5m'],
    ['60', '1 minute', ''],
  ],
  'key-size': [
    [2048, 3072, 4096],
    [1024, 2047, 'big'],
  ],
  'rotate-on-start': [
    [true, false],
    ['yes', 1, ''],
  ],
  'subject-ca-common-name': [
    ['My CA', 'a'.repeat(64)],
    ['', 'a'.repeat(65), 'a\nb'],
  ],
  'subject-ca-organizational-unit': [
    ['CA', 'Prüfstelle'],
    ['', 'a\tb'],
  ],
  'subject-common-name': [['admission'], ['', 'a\u001fb']],
  'subject-organizational-unit': [['a "quoted" one: #1'], ['']],
  'subject-organization': [['{{ .Release.Name }}'], ['']],
  'subject-country': [['DE'], ['de', 'DEU', '']],
  'subject-state': [['a'.repeat(128)], ['', 'a'.repeat(129)]],
  'subject-locality': [['Portland'], ['', 'a\u0000b']],
  heal: [
    ['all', 'new', 'off'],
    ['some', '', true],
  ],
  'metrics-bind-port': [
    [2, 8080],
    [65536, 'a'],
  ],
  'drain-time': [
    ['0s', '30s'],
    ['0', 'a', ''],
  ],
  'log-level': [
    ['error', 'warn', 'info', 'debug'],
    ['trace', 'INFO', ''],
  ],
  'log-format': [
    ['json', 'pretty'],
    ['text', ''],
  ],
};

/** The nth sample of each option; the last one where it has fewer. */
const samples = (which: 0 | 1, n: number) =>
  Object.fromEntries(
    Object.entries(SAMPLES).map(([name, lists]) => [name, lists[which][Math.min(n, lists[which].length - 1)]]),
  );
const most = (which: 0 | 1) => Math.max(...Object.values(SAMPLES).map((lists) => lists[which].length));

/** Every value other than its default. */
const EVERYTHING = {
  name: 'job-cap',
  image: {
    repository: 'registry.example.com/a/b',
    tag: '2',
    digest: `sha256:${'a'.repeat(64)}`,
    pullPolicy: 'Always',
    pullSecrets: ['one', 'two'],
  },
  replicas: 3,
  options: samples(0, 1),
  policy: {
    rules: [
      {
        name: 'all',
        match: { namespaceLabels: { team: 'a' } },
        set: { backoffLimit: 2147483647, restartPolicy: 'Keep' },
      },
    ],
  },
  ownCertificates: { secretName: 'mine', certificateKey: 'a', privateKeyKey: 'b', caKey: '' },
  backstop: { enabled: false },
  ownerEnforcement: { enabled: true },
  serviceAccount: { annotations: { 'example.com/a': 'b' } },
  labels: { team: 'a', app: 'not-this' },
  podLabels: { pod: 'a', app: 'nor-this' },
  podAnnotations: { 'example.com/c': '1' },
  // null takes a default away.
  resources: { requests: { cpu: '1', memory: '64Mi' }, limits: null },
  priorityClassName: 'system-cluster-critical',
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'a', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  topologySpread: { enabled: true, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' },
  terminationGracePeriodSeconds: 60,
  podDisruptionBudget: { enabled: false },
  networkPolicy: { enabled: false },
  monitoring: { enabled: true, labels: { release: 'prometheus' }, dashboard: false },
  global: { anything: 1 },
};

const installObjects = readFile(INSTALL, 'utf8').then(objectsIn);

const aboutNamespaces = (objects: readonly KubernetesObject[]) =>
  Object.fromEntries(Object.entries(byName(objects)).filter(([key]) => key.endsWith('-namespaces')));

const deploymentOf = (objects: readonly KubernetesObject[]) =>
  objects.find(({ kind }) => kind === 'Deployment') as V1Deployment;

for (const version of ['helm3', 'helm4'] as const) {
  describe(`the chart, with ${version}`, () => {
    const render = (values: object = {}, namespace?: string) => chartObjects({ helm: version, values }, namespace);
    const refusal = (values: object) => chartRefusal({ helm: version, values });

    it('has nothing that lint warns of, by default or with every value', async () => {
      for (const values of [{}, EVERYTHING]) await helm({ helm: version, values }, 'lint', '--strict', CHART);
    });

    it('comes to the objects of manifests/install.yaml, and to no other', async () => {
      assert.deepEqual(byName(await render()), byName(await installObjects));
    });

    it('comes to those of the overlay with monitoring', async () => {
      const overlay = objectsIn(await renderOverlay('monitoring'));
      assert.deepEqual(byName(await render({ monitoring: { enabled: true } })), byName(overlay));
    });

    it('links the alerts to where the runbook is read, as the kustomization of docs/install.md does', async () => {
      const text = await readDocument('docs/install.md');
      const [, block = ''] = /```yaml\n(resources: [^`]*\/overlays\/monitoring[^`]*)```/.exec(text) ?? [];
      const fields = loadYaml<Kustomization>(block);
      const overlay = objectsIn(await renderKustomization({ ...fields, resources: ['overlays/monitoring'] }));
      const runbookUrl = 'https://example.com/terraform-daemon/docs/runbook.md';
      const chart = await render({ monitoring: { enabled: true, runbookUrl } });
      assert.deepEqual(byName(chart), byName(overlay));
      const links = JSON.stringify(chart).match(/(?<="runbook_url":")[^"]*/g) ?? [];
      const alerts = JSON.stringify(chart).match(/(?<="alert":")[^"]*/g) ?? [];
      assert.ok(alerts.length > 5);
      assert.deepEqual(
        links,
        alerts.map((alert) => `${runbookUrl}#${alert.toLowerCase()}`),
      );
    });

    it('gives the right to read namespaces where a rule is about their labels, and only there', async () => {
      const rule = { set: { backoffLimit: 0 } };
      const rights = async (...matches: readonly object[]) => {
        const rules = matches.map((match, index) => ({ ...rule, name: `rule-${index}`, match }));
        return aboutNamespaces(await render({ policy: { rules } }, 'elsewhere'));
      };
      const wanted = aboutNamespaces(
        objectsIn(
          await renderKustomization({
            namespace: 'elsewhere',
            resources: ['base'],
            components: ['components/namespaces'],
          }),
        ),
      );
      assert.equal(Object.keys(wanted).length, 2);
      assert.match(JSON.stringify(wanted), /"name":"terraform-daemon","namespace":"elsewhere"/);
      assert.deepEqual(await rights({ namespaceLabels: { a: 'b' } }), wanted);
      assert.deepEqual(await rights({ jobName: 'a' }, { namespaceLabels: { a: 'b' } }), wanted);
      assert.deepEqual(await rights({ namespaces: ['*'] }), {});
    });

    it('gives the right to delete what has an owner where that is asked for, and of the registration and the Lease alone', async () => {
      const deletable = async (values: object) =>
        (await render(values))
          .flatMap((object) => (object as { rules?: readonly V1PolicyRule[] }).rules ?? [])
          .filter(({ verbs }) => verbs.includes('delete'))
          .flatMap(({ resources }) => resources);
      assert.deepEqual(await deletable({}), ['secrets']);
      const wanted = ['leases', 'mutatingwebhookconfigurations', 'secrets'];
      assert.deepEqual((await deletable({ ownerEnforcement: { enabled: true } })).toSorted(), wanted);
    });

    it('lets every other name follow when one is changed', async () => {
      const names = {
        'terraform-job-webhook-service': 'my-service',
        'terraform-job-webhook-cert': 'my-secret',
        'terraform-job-webhook-configuration': 'my-registration',
        'terraform-job-webhook-backstop': 'my-registration-backstop',
        'vela-system': 'my-namespace',
      };
      const values = {
        name: 'job-cap',
        options: {
          'service-name': 'my-service',
          'secret-name': 'my-secret',
          'webhook-configuration-name': 'my-registration',
        },
      };
      const chart = JSON.stringify(byName(await render(values, 'my-namespace')));
      for (const name of Object.keys(names)) assert.ok(!chart.includes(name), name);
      // What is left of the default name are the container, its image and the annotation that names it.
      const renamed = Object.entries(names).reduce(
        (text, [from, to]) => text.replaceAll(from, to),
        JSON.stringify(await installObjects),
      );
      const wanted = JSON.parse(
        renamed
          .replaceAll(/"terraform-daemon(?=["-])/g, '"job-cap')
          .replaceAll(":terraform-daemon'", ":job-cap'")
          .replace('"name":"job-cap","image"', '"name":"terraform-daemon","image"')
          .replace('default-container":"job-cap"', 'default-container":"terraform-daemon"'),
      ) as KubernetesObject[];
      const container = deploymentOf(wanted).spec?.template.spec?.containers[0];
      assert.ok(container);
      container.env = [
        { name: 'TERRAFORM_DAEMON_OWNER_CLUSTER_ROLE', value: 'job-cap' },
        { name: 'TERRAFORM_DAEMON_SECRET_NAME', value: 'my-secret' },
        { name: 'TERRAFORM_DAEMON_SERVICE_NAME', value: 'my-service' },
        { name: 'TERRAFORM_DAEMON_WEBHOOK_CONFIGURATION_NAME', value: 'my-registration' },
      ];
      container.name = 'terraform-daemon';
      assert.deepEqual(JSON.parse(chart), byName(wanted));
    });

    it('hands each value on', async () => {
      const objects = byName(await render(EVERYTHING));
      const deployment = objects['Deployment job-cap'] as V1Deployment;
      const { metadata, spec: pod } = deployment.spec?.template ?? {};
      const [container] = pod?.containers ?? [];
      assert.deepEqual(
        Object.keys(objects).filter((key) => /^(NetworkPolicy|PodDisruption)|-backstop$/.test(key)),
        [],
      );
      assert.equal(deployment.spec?.replicas, 3);
      assert.deepEqual(deployment.metadata?.labels, { app: 'job-cap', team: 'a' });
      assert.deepEqual(metadata?.labels, { app: 'job-cap', team: 'a', pod: 'a' });
      assert.equal(metadata?.annotations?.['example.com/c'], '1');
      assert.deepEqual(objects['ServiceAccount job-cap']?.metadata?.annotations, EVERYTHING.serviceAccount.annotations);
      assert.equal(container?.image, `registry.example.com/a/b:2@${EVERYTHING.image.digest}`);
      assert.equal(container?.imagePullPolicy, 'Always');
      assert.deepEqual(pod?.imagePullSecrets, [{ name: 'one' }, { name: 'two' }]);
      for (const field of [
        'priorityClassName',
        'nodeSelector',
        'tolerations',
        'affinity',
        'terminationGracePeriodSeconds',
      ] as const) {
        assert.deepEqual(pod?.[field], EVERYTHING[field]);
      }
      assert.deepEqual(container?.resources, { requests: { cpu: '1', memory: '64Mi' } });
      const [spread] = pod?.topologySpreadConstraints ?? [];
      assert.deepEqual(
        [spread?.topologyKey, spread?.whenUnsatisfiable],
        ['topology.kubernetes.io/zone', 'DoNotSchedule'],
      );
      assert.deepEqual(objects['PodMonitor job-cap']?.metadata?.labels, {
        app: 'job-cap',
        team: 'a',
        release: 'prometheus',
      });
      assert.deepEqual((objects['PodMonitor job-cap'] as { spec?: { selector?: object } }).spec?.selector, {
        matchLabels: { app: 'job-cap' },
      });
      assert.equal(objects['ConfigMap job-cap-dashboard'], undefined);
    });

    it('gives the Pods the drain time and ten seconds to end, or what is asked for', async () => {
      const seconds = async (drainTime: string, values: object = {}) => {
        const objects = await render({ options: { 'drain-time': drainTime }, ...values });
        return deploymentOf(objects).spec?.template.spec?.terminationGracePeriodSeconds;
      };
      const drainTimes = ['0s', '30s', '1.5s', '100ms', '1m30s', '1h', '0.5h29m1s1ms', '00007s'];
      for (const drainTime of drainTimes) {
        const wanted = Math.ceil((parseDuration(drainTime) ?? Number.NaN) / 1000) + 10;
        assert.equal(await seconds(drainTime), wanted, drainTime);
      }
      assert.equal(await seconds('30s', { terminationGracePeriodSeconds: 35 }), 35);
    });

    it('mounts a policy and certificates of your own as folders, and gives no right on the Secret then', async () => {
      const objects = byName(await render(EVERYTHING));
      const pod = (objects['Deployment job-cap'] as V1Deployment).spec?.template.spec;
      const [container] = pod?.containers ?? [];
      const folders = new Map(
        container?.volumeMounts?.map(({ name, mountPath, subPath }) => [name, subPath === undefined && mountPath]),
      );
      const given = optionsOf(container);
      assert.equal(given['policy-file'], `${folders.get('policy')}/policy.yaml`);
      assert.equal(given['webhook-cert-path'], folders.get('certificates'));
      const parsed = parsePolicy((objects['ConfigMap job-cap-policy'] as V1ConfigMap).data?.['policy.yaml'] ?? '');
      assert.ok('policy' in parsed);
      assert.deepEqual(parsed.policy.rules[0], EVERYTHING.policy.rules[0]);
      const secret = pod?.volumes?.find(({ name }) => name === 'certificates')?.secret;
      assert.deepEqual(secret, {
        secretName: 'mine',
        items: [
          { key: 'a', path: 'cert.pem' },
          { key: 'b', path: 'key.pem' },
        ],
      });
      assert.ok(!JSON.stringify(objects['Role job-cap']).includes('secrets'));
    });

    it('takes of each option what the daemon takes, and hands it on as it was written', async () => {
      assert.deepEqual(Object.keys({ ...SAMPLES, ...chartsOwn }).toSorted(), optionNames.toSorted());
      for (let n = 0; n < most(0); n++) {
        const wanted = Object.entries(samples(0, n)).map(([name, value]) => [name, String(value)] as const);
        const { spec } = deploymentOf(await render({ options: samples(0, n) }));
        assert.deepEqual(optionsOf(spec?.template.spec?.containers[0]), Object.fromEntries(wanted));
        assert.doesNotThrow(() => readConfig(Object.fromEntries(wanted)));
      }
    });

    it('refuses of each option what the daemon refuses, all at once and by name', async () => {
      for (let n = 0; n < most(1); n++) {
        const message = await refusal({ options: samples(1, n) });
        for (const [name, value] of Object.entries(samples(1, n))) {
          assert.match(message, new RegExp(`at '/options/${name}': `), `${name}: ${value}`);
          assert.ok('allowed' in options[name as OptionName].parse(String(value)), `${name}: ${value}`);
        }
      }
    });

    it('says of an option that is its own what to do instead', async () => {
      const message = await refusal({ options: Object.fromEntries(Object.keys(chartsOwn).map((name) => [name, 'a'])) });
      for (const [name, advice] of Object.entries(chartsOwn))
        assert.ok(message.includes(`options.${name} is not for the chart; ${advice}`), message);
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
      it(`refuses ${JSON.stringify(values)}`, async () => assert.match(await refusal(values), message));
    }
  });
}
