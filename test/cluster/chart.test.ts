import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import {
  type KubernetesObject,
  loadYaml,
  type V1ConfigMap,
  type V1Deployment,
  type V1NetworkPolicy,
  type V1Pod,
  type V1PolicyRule,
  type V1Service,
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
import { EVERYTHING, RECOMMENDED_LABELS } from '../support/builders/chart-samples.ts';
import { readDocument } from '../support/docs.ts';

const installObjects = readFile(INSTALL, 'utf8').then(objectsIn);

/** Returns the labels of the object and, if it has a Pod template, of its Pods. */
function labelsIn(object: KubernetesObject) {
  const { metadata, spec } = object as V1Deployment;
  return [metadata?.labels, ...(spec?.template ? [spec.template.metadata?.labels] : [])];
}

/** Returns the objects without the two labels that only the chart has: the release, and Helm as what manages it. */
function withoutHelmLabels(objects: readonly KubernetesObject[]): readonly KubernetesObject[] {
  return objects.map((object) => {
    const copy = structuredClone(object);
    for (const labels of labelsIn(copy)) {
      delete labels?.['app.kubernetes.io/instance'];
      delete labels?.['app.kubernetes.io/managed-by'];
    }
    return copy;
  });
}

/** Sorts by kind, namespace and name, because the roles of several namespaces have one name. */
const sorted = (objects: readonly KubernetesObject[]) => {
  const placeOf = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata?.namespace} ${metadata?.name}`;
  return objects.toSorted((one, other) => placeOf(one).localeCompare(placeOf(other)));
};

const aboutNamespaces = (objects: readonly KubernetesObject[]) =>
  Object.fromEntries(Object.entries(byName(objects)).filter(([key]) => key.endsWith('-namespaces')));

describe('the chart', () => {
  const render = (values: object = {}, namespace?: string) => chartObjects({ values }, namespace);

  it('Helm 3 renders the same objects of the chart as Helm 4', async () => {
    for (const values of [{}, EVERYTHING]) {
      assert.deepEqual(await chartObjects({ helm: 'helm3', values }), await render(values));
    }
  });

  it('helm lint --strict of Helm 3 and of Helm 4 has no warning about the chart, with default values and with every value set', async () => {
    for (const version of ['helm3', 'helm4'] as const) {
      for (const values of [{}, EVERYTHING]) await helm({ helm: version, values }, 'lint', '--strict', CHART);
    }
  });

  it('the chart renders exactly the objects of manifests/install.yaml, with two labels more', async () => {
    assert.deepEqual(byName(withoutHelmLabels(await render())), byName(await installObjects));
  });

  it('all objects and Pods of the chart have the recommended labels of Kubernetes, and no selector uses them', async () => {
    const values = { ...EVERYTHING, monitoring: { enabled: true } };
    const objects = [...(await render()), ...(await render(values)), ...(await chartTestObjects({ values }))];
    for (const labels of objects.flatMap(labelsIn)) {
      const component = labels?.app?.endsWith('-test') ? 'test' : 'admission-webhook';
      const expected = { ...RECOMMENDED_LABELS, 'app.kubernetes.io/component': component };
      assert.deepEqual({ ...labels, ...expected }, labels);
    }
    assert.doesNotMatch(JSON.stringify(objects), /"(matchLabels|selector)":\{"app\.kubernetes\.io/);
    const kinds = new Set(objects.map(({ kind }) => kind));
    for (const kind of ['Pod', 'PodMonitor', 'ConfigMap', 'NetworkPolicy']) assert.ok(kinds.has(kind), kind);
  });

  it('a label of the user replaces a recommended label', async () => {
    const labels = { 'app.kubernetes.io/part-of': 'platform' };
    for (const { kind, metadata } of await render({ labels })) {
      assert.equal(metadata?.labels?.['app.kubernetes.io/part-of'], 'platform', kind);
    }
  });

  for (const [overlay, backstop] of Object.entries({
    'no-backstop': { enabled: false },
    'no-configurations': { configurations: false },
  })) {
    it(`the chart with backstop: ${JSON.stringify(backstop)} renders exactly the objects of the overlay ${overlay}`, async () => {
      assert.deepEqual(
        byName(withoutHelmLabels(await render({ backstop }))),
        byName(objectsIn(await renderOverlay(overlay))),
      );
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
      // The check needs the names of the options, and reaches the API server with the same variables as the daemon.
      const pod = tests.find(({ kind }) => kind === 'Pod') as V1Pod;
      assert.deepEqual(pod.spec?.containers[0]?.env, deployment.spec?.template.spec?.containers[0]?.env);
    }
  });

  it('the chart with monitoring renders exactly the objects of the monitoring overlay', async () => {
    const overlay = objectsIn(await renderOverlay('monitoring'));
    assert.deepEqual(byName(withoutHelmLabels(await render({ monitoring: { enabled: true } }))), byName(overlay));
  });

  it('the chart sets the runbook URL of the alerts like the kustomization of docs/how-to/monitor.md', async () => {
    const text = await readDocument('docs/how-to/monitor.md');
    const [, block = ''] = /```yaml\n(resources: [^`]*\/overlays\/monitoring[^`]*)```/.exec(text) ?? [];
    const fields = loadYaml<Kustomization>(block);
    const overlay = objectsIn(await renderKustomization({ ...fields, resources: ['overlays/monitoring'] }));
    const runbookUrl = 'https://example.com/terraform-daemon/docs/how-to/runbook.md';
    const chart = await render({ monitoring: { enabled: true, runbookUrl } });
    assert.deepEqual(byName(withoutHelmLabels(chart)), byName(overlay));
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
    const rights = async (policy: object) => aboutNamespaces(withoutHelmLabels(await render({ policy }, 'elsewhere')));
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

  it('with backstop.limitPatches the chart renders exactly the objects of the component limit-patches in addition', async () => {
    const rendered = await render({ backstop: { limitPatches: true } });
    const components = ['components/limit-patches'];
    const wanted = await renderKustomization({ namespace: 'vela-system', resources: ['base'], components });
    assert.deepEqual(byName(withoutHelmLabels(rendered)), byName(objectsIn(wanted)));
    assert.equal(rendered.length, (await render()).length + 2);
  });

  it('with options.backstop-namespaces the chart renders the objects of the kustomization in docs/how-to/fit-a-cluster.md', async () => {
    const text = (await readDocument('docs/how-to/fit-a-cluster.md')).replaceAll('vela-system', 'platform');
    const fileIn = (name: string) =>
      loadYaml<Kustomization>(
        text
          .split('```yaml\n')
          .find((block) => block.startsWith(`# ${name}\n`))
          ?.split('```')[0] ?? '',
      );
    const { patches } = fileIn('kustomization.yaml');
    const own = fileIn('install/kustomization.yaml');
    const install = { ...own, resources: ['base'], components: ['components/backstop-namespaces'] };
    const teams = ['team-a', 'team-b'].map((namespace) => ({ namespace, patches, resources: ['backstop-namespace'] }));
    const wanted = await Promise.all([...teams, install].map((kustomization) => renderKustomization(kustomization)));
    const rendered = await render({ options: { 'backstop-namespaces': 'team-a,team-b' } }, 'platform');
    assert.deepEqual(sorted(withoutHelmLabels(rendered)), sorted(wanted.flatMap(objectsIn)));
  });

  it('with options.backstop-namespaces and a namespaceSelector, each Role of the chart has the right to read its namespace, and no ClusterRole has it', async () => {
    const rules = [{ name: 'all', match: { namespaces: ['*'] }, set: { backoffLimit: 0 } }];
    const policy = { namespaceSelector: { matchLabels: { a: 'b' } }, rules };
    const objects = await render({ policy, options: { 'backstop-namespaces': 'team-a,team-b,team-a' } });
    const readers = objects.filter((object) =>
      (object as { rules?: readonly V1PolicyRule[] }).rules?.some(({ resources }) => resources?.includes('namespaces')),
    );
    assert.deepEqual(
      readers.map(({ kind, metadata }) => [kind, metadata?.namespace]),
      [
        ['Role', 'team-a'],
        ['Role', 'team-b'],
      ],
    );
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
    const chart = JSON.stringify(byName(withoutHelmLabels(await render(values, 'my-namespace'))));
    for (const name of Object.keys(names)) assert.ok(!chart.includes(name), name);
    // With another value of `name`, only these names stay `terraform-daemon`: the container, its image, the container in
    // the annotation `default-container`, and the application in the recommended labels.
    const renamed = Object.entries(names).reduce(
      (text, [from, to]) => text.replaceAll(from, to),
      JSON.stringify(await installObjects),
    );
    const wanted = JSON.parse(
      renamed
        .replaceAll(/"terraform-daemon(?=["-])/g, '"job-cap')
        .replaceAll(":terraform-daemon'", ":job-cap'")
        .replace('"name":"job-cap","image"', '"name":"terraform-daemon","image"')
        .replace('default-container":"job-cap"', 'default-container":"terraform-daemon"')
        .replaceAll(/(?<="app.kubernetes.io.(name|part-of)":)"job-cap"/g, '"terraform-daemon"'),
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
      Object.keys(objects).filter((key) => /^(NetworkPolicy|PodDisruption)|-configurations$/.test(key)),
      [],
    );
    assert.equal(deployment.spec?.replicas, 3);
    const labels = { app: 'job-cap', team: 'a', ...RECOMMENDED_LABELS };
    assert.deepEqual(deployment.metadata?.labels, labels);
    assert.deepEqual(metadata?.labels, { ...labels, pod: 'a', 'istio.io/dataplane-mode': 'none' });
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
      'hostNetwork',
      'dnsPolicy',
    ] as const) {
      assert.deepEqual(pod?.[field], EVERYTHING[field]);
    }
    assert.deepEqual(deployment.spec?.strategy, EVERYTHING.strategy);
    assert.deepEqual(container?.env?.slice(-2), EVERYTHING.extraEnv);
    assert.deepEqual(container?.volumeMounts?.slice(-1), EVERYTHING.extraVolumeMounts);
    assert.deepEqual(pod?.volumes?.slice(-1), EVERYTHING.extraVolumes);
    assert.deepEqual(container?.resources, { requests: { cpu: '1', memory: '64Mi' } });
    const [spread] = pod?.topologySpreadConstraints ?? [];
    assert.deepEqual(
      [spread?.topologyKey, spread?.whenUnsatisfiable],
      ['topology.kubernetes.io/zone', 'DoNotSchedule'],
    );
    assert.deepEqual(objects['PodMonitor job-cap']?.metadata?.labels, { ...labels, release: 'prometheus' });
    assert.deepEqual((objects['PodMonitor job-cap'] as { spec?: { selector?: object } }).spec?.selector, {
      matchLabels: { app: 'job-cap' },
    });
    assert.equal(objects['ConfigMap job-cap-dashboard'], undefined);
  });

  it('with hostNetwork, a rollout stops a replica before it starts another on the ports of the node', async () => {
    const specOf = async (values: object) => deploymentOf(await render(values)).spec;
    const surge = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
    const replace = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } };
    const [podNetwork, hostNetwork] = [await specOf({}), await specOf({ hostNetwork: true })];
    assert.deepEqual([podNetwork?.strategy, hostNetwork?.strategy], [surge, replace]);
    const { hostNetwork: network, dnsPolicy } = hostNetwork?.template.spec ?? {};
    assert.deepEqual([network, dnsPolicy], [true, 'ClusterFirstWithHostNet']);
    const { hostNetwork: none, dnsPolicy: byDefault } = podNetwork?.template.spec ?? {};
    assert.deepEqual([none, byDefault], [undefined, undefined]);
    const own = await specOf({ hostNetwork: true, dnsPolicy: 'Default', strategy: { type: 'Recreate' } });
    assert.deepEqual([own?.strategy, own?.template.spec?.dnsPolicy], [{ type: 'Recreate' }, 'Default']);
  });

  it('with hostNetwork, the ports of container, probes, Service and NetworkPolicy follow the options', async () => {
    const options = { 'webhook-bind-port': 10260, 'metrics-bind-port': 10261 };
    const objects = byName(await render({ hostNetwork: true, options }));
    const pod = (objects['Deployment terraform-daemon'] as V1Deployment).spec?.template.spec;
    const [container] = pod?.containers ?? [];
    assert.deepEqual(
      container?.ports?.map(({ name, containerPort }) => [name, containerPort]),
      [
        ['https', 10260],
        ['metrics', 10261],
      ],
    );
    for (const probe of [container?.readinessProbe, container?.livenessProbe])
      assert.equal(probe?.httpGet?.port, 'metrics');
    const service = objects['Service terraform-job-webhook-service'] as V1Service;
    assert.equal(service.spec?.ports?.[0]?.targetPort, 'https');
    const policy = objects['NetworkPolicy terraform-daemon'] as V1NetworkPolicy;
    assert.deepEqual(
      policy.spec?.ingress?.map(({ ports }) => ports?.[0]?.port),
      ['https', 'metrics'],
    );
  });

  it('with a client CA in the values, the chart mounts only its key as a folder and requires client certificates', async () => {
    const objects = await render({ clientCa: { configMapName: 'mine' }, options: { 'client-name': 'api, server' } });
    const pod = deploymentOf(objects).spec?.template.spec;
    const [container] = pod?.containers ?? [];
    const mount = container?.volumeMounts?.find(({ name }) => name === 'client-ca');
    assert.deepEqual(optionsOf(container), {
      'client-ca-file': `${mount?.mountPath}/ca.crt`,
      'client-name': 'api, server',
    });
    assert.equal(mount?.subPath, undefined);
    const volume = pod?.volumes?.find(({ name }) => name === 'client-ca');
    assert.deepEqual(volume?.configMap, { name: 'mine', items: [{ key: 'ca.crt', path: 'ca.crt' }] });
  });

  const notes = async (values: object) => {
    const args = ['install', 'td', CHART, '--namespace', 'vela-system', '--dry-run=client'];
    return (await helm({ values }, ...args)).split('NOTES:\n')[1] ?? '';
  };

  it('the notes after an install say what the values change for the user, and nothing of it with default values', async () => {
    const plain = await notes({});
    assert.match(
      plain,
      /^terraform-daemon 1\.0\.0 is being rolled out to vela-system\. It issues its own certificates/,
    );
    assert.match(plain, /kubectl -n vela-system rollout status deployment\/terraform-daemon/);
    assert.doesNotMatch(plain, /hostNetwork|client|fewer|Recreate/);
    const host = await notes({ hostNetwork: true, options: { 'webhook-bind-port': 10260 } });
    assert.match(host, /TCP port 10260/);
    assert.match(host, /at least 2 nodes/);
    assert.match(host, /NetworkPolicy/);
    assert.match(host, /ports 10260 and 8080/);
    assert.match(await notes({ replicas: 1 }), /stored uncapped\. The backstop caps them/);
    assert.match(await notes({ replicas: 1, options: { 'failure-policy': 'Fail' } }), /are rejected\./);
    const single = await notes({ hostNetwork: true, replicas: 1 });
    assert.match(single, /at least 1 node,/);
    assert.match(single, /fewer than two replicas/);
    assert.match(await notes({ strategy: { type: 'Recreate' } }), /no replica runs during a rollout/);
    assert.match(
      await notes({ clientCa: { configMapName: 'mine' } }),
      /client certificate of the CA in ConfigMap mine/,
    );
    assert.match(await notes({ ownCertificates: { secretName: 'mine' } }), /serves the certificate of Secret mine/);
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
