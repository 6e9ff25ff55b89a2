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
import { parseDuration } from '../../src/cli/durations.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { CHART } from '../../tools/chart/chart.ts';
import {
  byName,
  chartObjects,
  chartTestObjects,
  deploymentOf,
  helm,
  objectsIn,
  optionsOf,
} from '../../tools/chart/helm.ts';
import { INSTALL, type Kustomization, renderKustomization, renderOverlay } from '../../tools/manifests/kustomize.ts';
import { EVERYTHING } from '../support/builders/chart-samples.ts';
import { readDocument } from '../support/docs.ts';

const installObjects = readFile(INSTALL, 'utf8').then(objectsIn);

const aboutNamespaces = (objects: readonly KubernetesObject[]) =>
  Object.fromEntries(Object.entries(byName(objects)).filter(([key]) => key.endsWith('-namespaces')));

describe('the chart', () => {
  const render = (values: object = {}, namespace?: string) => chartObjects({ values }, namespace);

  it('Helm 3 renders the same objects of the chart as Helm 4', async () => {
    for (const values of [{}, EVERYTHING]) {
      assert.deepEqual(await chartObjects({ helm: 'helm3', values }), await render(values));
    }
  });

  it('helm lint has no warning about the chart, with default values and with every value set', async () => {
    for (const values of [{}, EVERYTHING]) await helm({ values }, 'lint', '--strict', CHART);
  });

  it('the chart renders exactly the objects of manifests/install.yaml', async () => {
    assert.deepEqual(byName(await render()), byName(await installObjects));
  });

  for (const [overlay, backstop] of Object.entries({
    'no-backstop': { enabled: false },
    'no-configurations': { configurations: false },
  })) {
    it(`the chart with backstop: ${JSON.stringify(backstop)} renders exactly the objects of the overlay ${overlay}`, async () => {
      assert.deepEqual(byName(await render({ backstop })), byName(objectsIn(await renderOverlay(overlay))));
    });
  }

  it('each object of helm test is a hook with a name of its own, and the Service does not select its Pod', async () => {
    for (const values of [{}, EVERYTHING]) {
      const tests = await chartTestObjects({ values });
      const objects = await render(values);
      const names = Object.keys(byName(objects));
      const deployment = deploymentOf(objects);
      for (const { kind, metadata } of tests) {
        assert.equal(metadata?.annotations?.['helm.sh/hook'], 'test', kind);
        assert.notEqual(metadata?.labels?.app, deployment.metadata?.name);
        assert.ok(!names.includes(`${kind} ${metadata?.name}`), kind);
      }
      assert.ok(tests.some(({ kind }) => kind === 'Pod'));
    }
  });

  it('the chart with monitoring renders exactly the objects of the monitoring overlay', async () => {
    const overlay = objectsIn(await renderOverlay('monitoring'));
    assert.deepEqual(byName(await render({ monitoring: { enabled: true } })), byName(overlay));
  });

  it('the chart sets the runbook URL of the alerts like the kustomization of docs/how-to/monitor.md', async () => {
    const text = await readDocument('docs/how-to/monitor.md');
    const [, block = ''] = /```yaml\n(resources: [^`]*\/overlays\/monitoring[^`]*)```/.exec(text) ?? [];
    const fields = loadYaml<Kustomization>(block);
    const overlay = objectsIn(await renderKustomization({ ...fields, resources: ['overlays/monitoring'] }));
    const runbookUrl = 'https://example.com/terraform-daemon/docs/how-to/runbook.md';
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

  it('the chart grants the right to read namespaces only if the policy has a namespaceSelector', async () => {
    const rules = [{ name: 'all', match: { namespaces: ['*'] }, set: { backoffLimit: 0 } }];
    const rights = async (policy: object) => aboutNamespaces(await render({ policy }, 'elsewhere'));
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
    assert.deepEqual(await rights({ namespaceSelector: { matchLabels: { a: 'b' } }, rules }), wanted);
    assert.deepEqual(await rights({ rules }), {});
    assert.deepEqual(await rights({}), {});
  });

  it('the RBAC rules of the chart allow the verb delete only for the resource secrets', async () => {
    const deletable = (await render({}))
      .flatMap((object) => (object as { rules?: readonly V1PolicyRule[] }).rules ?? [])
      .filter(({ verbs }) => verbs.includes('delete'))
      .flatMap(({ resources }) => resources);
    assert.deepEqual(deletable, ['secrets']);
  });

  it('the chart changes all dependent names when one name is changed', async () => {
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
    // With another value of `name`, only three names stay `terraform-daemon`: the container, its image, and the
    // container in the annotation `default-container`.
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

  it('with every value set, the chart renders the given labels, annotations, image and Pod fields', async () => {
    const objects = byName(await render(EVERYTHING));
    const deployment = objects['Deployment job-cap'] as V1Deployment;
    const { metadata, spec: pod } = deployment.spec?.template ?? {};
    const [container] = pod?.containers ?? [];
    assert.deepEqual(
      Object.keys(objects).filter((key) => /^(NetworkPolicy|PodDisruption)|-(backstop|configurations)$/.test(key)),
      [],
    );
    assert.equal(deployment.spec?.replicas, 3);
    assert.deepEqual(deployment.metadata?.labels, { app: 'job-cap', team: 'a' });
    assert.deepEqual(metadata?.labels, { app: 'job-cap', team: 'a', pod: 'a', 'istio.io/dataplane-mode': 'none' });
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

  it('the chart sets the grace period to the drain time plus ten seconds, or to the given value', async () => {
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

  it('with a policy and user-provided certificates in the values, the chart mounts a folder for each and grants no right on Secrets', async () => {
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
    assert.ok('value' in parsed);
    assert.deepEqual(parsed.value.rules[0], EVERYTHING.policy.rules[0]);
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
});
