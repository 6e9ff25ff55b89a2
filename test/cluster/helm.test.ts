import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AppsV1Api, KubeConfig, type V1Deployment, type V1PodSpec } from '@kubernetes/client-node';
import { CHART } from '../../tools/chart/chart.ts';
import { helm, optionsOf } from '../../tools/chart/helm.ts';
import { type ControlPlane, startControlPlane } from '../../tools/control-plane/control-plane.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { certificateFiles } from '../support/builders/certificate-files.ts';
import { RECOMMENDED_LABELS } from '../support/builders/chart-samples.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';
import { eventually } from '../support/eventually.ts';

/**
 * Namespaces of the installs. No kubelet runs, so the test starts each daemon as a process with a token of the
 * ServiceAccount of the chart.
 */
const NAMESPACES = ['vela-system', 'elsewhere'] as const;
const OTHER_NAMES = {
  name: 'job-cap',
  options: {
    'service-name': 'my-service',
    'secret-name': 'my-secret',
    'webhook-configuration-name': 'my-registration',
    'settle-time': '2s',
  },
};

const OTHER_USER = 'system:serviceaccount:elsewhere:job-cap';
const OWN_CERTIFICATES = { ...OTHER_NAMES, ownCertificates: { secretName: 'mine' } };

/** Chart values with texts that YAML could read as another type, in fields where an API server accepts them. */
const MISTAKABLE = {
  name: 'true',
  image: { repository: '123', tag: '1.10', pullSecrets: ['null'] },
  options: {
    'service-name': 'yes',
    'secret-name': '1e3',
    'webhook-configuration-name': '0x10',
    subject: 'CN={a: b} # c',
  },
  ownCertificates: { secretName: 'on', certificateKey: '010', privateKeyKey: '1_000', caKey: '0.5' },
  policy: {
    namespaceSelector: { matchLabels: { '1': '2' } },
    rules: [{ name: 'null', match: { labels: { '3': '4' } }, set: { backoffLimit: 0 } }],
  },
  clientCa: { configMapName: '1e2', key: '0o7' },
  extraEnv: [{ name: 'on', value: '1_0' }],
  extraVolumes: [{ name: 'y', configMap: { name: '0.1' } }],
  extraVolumeMounts: [{ name: 'y', mountPath: '1' }],
  serviceAccount: { annotations: { '12.50': 'a: b\n' } },
  labels: { '0o10': '2020-01-01' },
  podLabels: { on: 'off' },
  podAnnotations: { null: ' {{ a }}\u2028 ' },
  nodeSelector: { '1e3': '0' },
  topologySpread: { topologyKey: 'true' },
};

/** A DNS subdomain of the maximum length of 253 characters. */
const domain = `${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(61);
const LARGEST = {
  name: 'a'.repeat(50),
  image: { repository: `${domain}/a`, tag: 'a'.repeat(128), digest: `sha256:${'0'.repeat(64)}`, pullSecrets: [domain] },
  replicas: 2_147_483_647,
  options: {
    'service-name': 'a'.repeat(63),
    'secret-name': domain,
    'webhook-configuration-name': domain.slice(0, 244),
    'webhook-bind-port': 65535,
    'metrics-bind-port': 65534,
    'service-port': 65535,
    'drain-time': '1h',
  },
  hostNetwork: true,
  strategy: { rollingUpdate: { maxUnavailable: '100%', maxSurge: 2_147_483_647 } },
  clientCa: { configMapName: domain, key: 'A'.repeat(253) },
  extraEnv: [{ name: 'A b\u0022~', value: '' }],
  extraVolumes: [{ name: 'a'.repeat(63), emptyDir: {} }],
  extraVolumeMounts: [{ name: 'a'.repeat(63), mountPath: '/a' }],
  ownCertificates: { secretName: domain, certificateKey: `.${'A'.repeat(252)}`, caKey: '' },
  serviceAccount: { annotations: { [`A.${domain.slice(2)}/${'a'.repeat(63)}`]: '' } },
  labels: { [`${domain}/${'A'.repeat(63)}`]: 'a'.repeat(63), 'A.b_c-D': '' },
  podLabels: { 'A.b_c-D': 'a' },
  podAnnotations: { 'A/b': 'c' },
  priorityClassName: domain,
  nodeSelector: { [`${domain}/a`]: '' },
  topologySpread: { topologyKey: `${domain}/${'a'.repeat(63)}` },
  terminationGracePeriodSeconds: 2_147_483_647,
};

interface Written {
  readonly namespace: string;
  readonly secret: string;
  readonly registration: string;
  readonly lease: string;
}

const DEFAULT: Written = {
  namespace: 'vela-system',
  secret: 'terraform-job-webhook-cert',
  registration: 'terraform-job-webhook-configuration',
  lease: 'terraform-job-webhook-backstop',
};
const OTHER: Written = {
  namespace: 'elsewhere',
  secret: 'my-secret',
  registration: 'my-registration',
  lease: 'my-registration-backstop',
};
/** The chart before it had hostNetwork, clientCa, strategy, the extra values and the recommended labels. */
const FORMER_CHART = fileURLToPath(new URL('../fixtures/former-chart', import.meta.url));
const EXTRAS = {
  extraEnv: [{ name: 'NODE_OPTIONS', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
  extraVolumes: [{ name: 'extra', emptyDir: {} }],
  extraVolumeMounts: [{ name: 'extra', mountPath: '/extra' }],
};
const DEPLOYMENT = 'deployment/terraform-daemon';
/** Time limit for the garbage collector, which deletes dependents some time after their owner. */
const COLLECTED_MS = 180_000;
/** All kinds of objects of the chart, and the kinds that the Deployment creates. */
const KINDS =
  'serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,service,deployment,replicaset,pod,poddisruptionbudget,networkpolicy,configmap';

describe('an install of the chart with Helm', () => {
  let controlPlane: ControlPlane;
  let daemon: Daemon | undefined;
  const run = (values: object, ...args: readonly string[]) =>
    helm({ kubeconfig: controlPlane.kubeconfig, values }, ...args);
  const admin = (...args: readonly string[]) => kubectl(controlPlane.kubeconfig, args);

  before(async () => {
    const users = [{ name: 'system:serviceaccount:vela-system:terraform-daemon' }, { name: OTHER_USER }];
    controlPlane = await startControlPlane({ users, controllerManager: true });
    for (const name of NAMESPACES) await admin('create', 'namespace', name);
  });
  afterEach(() => daemon?.stop('SIGKILL'));
  after(() => controlPlane?.stop());

  /** Starts a daemon with the options of the Deployment and a token of its ServiceAccount. */
  async function startAs(
    namespace: string,
    name: string,
    mount: (pod: V1PodSpec | undefined) => Promise<Readonly<Record<string, string>>> = async () => ({}),
  ): Promise<Daemon> {
    const config = new KubeConfig();
    config.loadFromFile(controlPlane.kubeconfig);
    const deployment = await config.makeApiClient(AppsV1Api).readNamespacedDeployment({ namespace, name });
    const pod = deployment.spec?.template.spec;
    const given = { ...optionsOf(pod?.containers[0]), ...(await mount(pod)) };
    daemon = await startDaemon({
      kubeconfig: controlPlane.kubeconfigFor(`system:serviceaccount:${namespace}:${name}`),
      flags: [`--namespace=${namespace}`, ...Object.entries(given).map(([name, value]) => `--${name}=${value}`)],
    });
    await daemon.line('ready');
    return daemon;
  }

  /** Writes the keys of the Secret as files to the mount path, as the kubelet does. */
  async function mounted(t: TestContext, pod: V1PodSpec | undefined): Promise<Readonly<Record<string, string>>> {
    const volume = pod?.volumes?.find(({ name }) => name === 'certificates')?.secret;
    const mount = pod?.containers[0]?.volumeMounts?.find(({ name }) => name === 'certificates');
    const option = 'webhook-cert-path';
    assert.ok(volume?.secretName && mount);
    assert.equal(optionsOf(pod?.containers[0])[option], mount.mountPath);
    const stored = JSON.parse(await admin('-n', 'elsewhere', 'get', 'secret', volume.secretName, '-o', 'json'));
    const files = (volume.items ?? []).map(({ key, path }) => [
      path,
      Buffer.from(stored.data[key], 'base64').toString(),
    ]);
    return { [option]: await aFolder(t, Object.fromEntries(files)) };
  }

  /** Returns the Secret and the registration of the daemon with all fields. */
  const written = async ({ namespace, secret, registration }: Written = DEFAULT): Promise<unknown> => {
    const objects = await Promise.all([
      admin('-n', namespace, 'get', 'secret', secret, '-o', 'json'),
      admin('get', 'mutatingwebhookconfiguration', registration, '-o', 'json'),
    ]);
    const [stored, live] = objects.map((text) => JSON.parse(text));
    assert.ok(stored.data['tls.key'] && live.webhooks[0].clientConfig.caBundle);
    return [stored, live];
  };

  /**
   * Waits until no object of the install is left. The garbage collector deletes the objects of the daemon and of the
   * Deployment.
   */
  const untilNothingIsLeft = (name: string, { namespace, secret, registration, lease }: Written = DEFAULT) =>
    eventually(
      async () => {
        const left = await Promise.all([
          admin('get', KINDS, '-A', '-l', `app=${name}`, '-o', 'name'),
          admin('-n', namespace, 'get', `secret/${secret}`, `lease/${lease}`, '--ignore-not-found', '-o', 'name'),
          admin('get', `mutatingwebhookconfiguration/${registration}`, '--ignore-not-found', '-o', 'name'),
        ]);
        assert.deepEqual(left, ['', '', '']);
      },
      { withinMs: COLLECTED_MS },
    );

  it('a Helm install gives the daemon its rights; upgrades, also from the former chart, and rollbacks do not change its Secret and registration', async () => {
    const upgrade = (values: object, ...args: readonly string[]) =>
      run(values, 'upgrade', 'td', CHART, '--namespace', 'vela-system', ...args);
    const deployment = async (): Promise<V1Deployment> =>
      JSON.parse(await admin('-n', 'vela-system', 'get', DEPLOYMENT, '-o', 'json'));
    await run({}, 'install', 'td', FORMER_CHART, '--namespace', 'vela-system');
    const former = await deployment();
    const { lines } = await startAs('vela-system', 'terraform-daemon');
    const before = await written();
    // These are the values of the former chart, without the values that only the chart has.
    await upgrade({}, '--reuse-values');
    assert.deepEqual(await written(), before);
    const upgraded = await deployment();
    assert.deepEqual(upgraded.spec?.selector, former.spec?.selector);
    assert.equal(upgraded.spec?.template.metadata?.labels?.['app.kubernetes.io/instance'], 'td');
    for (const values of [
      { replicas: 3, options: { heal: 'new' }, labels: { team: 'a' } },
      { hostNetwork: true, clientCa: { configMapName: 'mine' }, ...EXTRAS },
      { strategy: { type: 'Recreate' } },
    ]) {
      await upgrade(values);
    }
    // No field of an earlier upgrade is left, such as a hostPort. Without values, Helm would reuse the last ones.
    await upgrade({}, '--reset-values');
    assert.deepEqual((await deployment()).spec, upgraded.spec);
    for (const revision of ['2', '1']) await run({}, 'rollback', 'td', revision, '--namespace', 'vela-system');
    assert.deepEqual((await deployment()).spec, former.spec);
    assert.deepEqual(await written(), before);
    const complaints = lines.filter(({ level }) => level === 'warn' || level === 'error');
    assert.deepEqual(complaints, []);
  });

  it('a Helm install takes over the objects of kubectl apply and does not change Secret and registration', async () => {
    await run({}, 'uninstall', 'td', '--namespace', 'vela-system');
    await untilNothingIsLeft('terraform-daemon');
    await admin('apply', '-f', INSTALL);
    await startAs('vela-system', 'terraform-daemon');
    const template = async () =>
      JSON.parse(await admin('-n', 'vela-system', 'get', DEPLOYMENT, '-o', 'jsonpath={.spec.template}'));
    const [before, { metadata, spec }] = [await written(), await template()];
    // Helm 4 uses server-side apply, so the fields of kubectl belong to a different manager.
    await run(
      { replicas: 3 },
      'install',
      'td',
      CHART,
      '--namespace',
      'vela-system',
      '--take-ownership',
      '--force-conflicts',
    );
    assert.deepEqual(await written(), before);
    // The Pods differ only in two labels.
    const ofHelm = { 'app.kubernetes.io/instance': 'td', 'app.kubernetes.io/managed-by': 'Helm' };
    const labels = { ...metadata.labels, ...ofHelm };
    assert.deepEqual(await template(), { metadata: { ...metadata, labels }, spec });
    assert.equal(await admin('-n', 'vela-system', 'get', DEPLOYMENT, '-o', 'jsonpath={.spec.replicas}'), '3');
  });

  it('a Helm install with its own object names has RBAC rights for these objects, and runs beside an install with default names', async () => {
    await run(OTHER_NAMES, 'install', 'other', CHART, '--namespace', 'elsewhere');
    const { lines, line } = await startAs('elsewhere', 'job-cap');
    await written(OTHER);
    // The second install has its own Lease, because its policy is about different Jobs.
    await line('started watching jobs');
    await admin('-n', OTHER.namespace, 'get', `lease/${OTHER.lease}`);
    assert.deepEqual(
      lines.filter(({ level }) => level === 'error'),
      [],
    );
  });

  it('a Helm install serves user-provided certificates from a mounted Secret without rights on Secrets', async (t) => {
    const files = await certificateFiles({ namespace: 'elsewhere', 'service-name': 'my-service' });
    const ca = files['ca.crt'];
    const folder = await aFolder(t, files);
    // The Secret has the type and the keys that cert-manager uses.
    const keys = Object.keys(files).map((key) => `--from-file=${join(folder, key)}`);
    await admin('-n', 'elsewhere', 'create', 'secret', 'generic', 'mine', '--type=kubernetes.io/tls', ...keys);
    await run(OWN_CERTIFICATES, 'upgrade', 'other', CHART, '--namespace', 'elsewhere');
    const { lines, line, port } = await startAs('elsewhere', 'job-cap', (pod) => mounted(t, pod));
    await line('started watching jobs');
    const live = await admin('get', 'mutatingwebhookconfiguration', OTHER.registration, '-o', 'json');
    const { caBundle } = JSON.parse(live).webhooks[0].clientConfig;
    assert.equal(Buffer.from(caBundle, 'base64').toString(), ca);
    await presentedCertificate(port, { ca, servername: 'my-service.elsewhere.svc' });
    const asked = admin('auth', 'can-i', 'get', 'secrets/my-secret', '-n', 'elsewhere', `--as=${OTHER_USER}`);
    await assert.rejects(asked, /failed \(1\)/);
    const complaints = lines.filter(({ level }) => level === 'warn' || level === 'error');
    assert.deepEqual(complaints, []);
  });

  it('the API server stores the rendered chart values unchanged, even if YAML could read the values as another type', async () => {
    await admin('create', 'namespace', '123');
    await run(MISTAKABLE, 'install', 'mistakable', CHART, '--namespace', '123');
    const deployment = JSON.parse(await admin('-n', '123', 'get', 'deployment', 'true', '-o', 'json'));
    const { metadata, spec: pod } = deployment.spec.template;
    const given = optionsOf(pod.containers[0]);
    for (const [name, value] of Object.entries(MISTAKABLE.options)) assert.equal(given[name], value);
    const mesh = { 'istio.io/dataplane-mode': 'none' };
    const recommended = { ...RECOMMENDED_LABELS, 'app.kubernetes.io/instance': 'mistakable' };
    const labels = { app: 'true', ...mesh, ...recommended, ...MISTAKABLE.labels, ...MISTAKABLE.podLabels };
    assert.deepEqual(metadata.labels, labels);
    assert.deepEqual(pod.containers[0].env.slice(-1), MISTAKABLE.extraEnv);
    assert.equal(pod.volumes.at(-1).configMap.name, '0.1');
    assert.equal(metadata.annotations.null, MISTAKABLE.podAnnotations.null);
    assert.deepEqual(pod.nodeSelector, MISTAKABLE.nodeSelector);
    assert.equal(pod.topologySpreadConstraints[0].topologyKey, 'true');
    assert.equal(pod.containers[0].image, '123:1.10');
    const account = JSON.parse(await admin('-n', '123', 'get', 'serviceaccount', 'true', '-o', 'json'));
    assert.equal(account.metadata.annotations['12.50'], 'a: b\n');
    const user = '--as=system:serviceaccount:123:true';
    assert.equal(await admin('auth', 'can-i', 'patch', 'mutatingwebhookconfigurations/0x10', user), 'yes\n');
    assert.equal(await admin('auth', 'can-i', 'patch', 'leases/0x10-backstop', '-n', '123', user), 'yes\n');
    await run({}, 'uninstall', 'mistakable', '--namespace', '123');
  });

  it('an API server accepts the objects of the chart with values at their limits', async (t) => {
    // The API server accepts the Pod of helm test only after its ServiceAccount exists, which a dry run does not create.
    const yaml = await run(
      LARGEST,
      'template',
      '--skip-tests',
      'largest',
      CHART,
      '--namespace',
      'elsewhere',
      '--kube-version',
      '1.37.0',
    );
    const folder = await aFolder(t, { 'chart.yaml': yaml });
    await admin('apply', '--dry-run=server', '-f', join(folder, 'chart.yaml'));
  });

  it('helm uninstall removes the objects of the chart, and the garbage collector removes those of the daemon', async () => {
    await run({}, 'uninstall', 'td', '--namespace', 'vela-system');
    await run({}, 'uninstall', 'other', '--namespace', 'elsewhere');
    await untilNothingIsLeft('terraform-daemon');
    await untilNothingIsLeft('job-cap', OTHER);
    for (const namespace of NAMESPACES) await admin('get', 'namespace', namespace);
  });
});
