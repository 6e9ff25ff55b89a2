import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  DiscoveryV1Api,
  NetworkingV1Api,
  PatchStrategy,
  RbacAuthorizationV1Api,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { z } from 'zod';
import schema from '../../docs/reference/check.schema.json' with { type: 'json' };
import { chartTestObjects } from '../../tools/chart/helm.ts';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { aKubeconfig } from '../support/builders/a-kubeconfig.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SERVICE, startCluster } from '../support/cluster/cluster.ts';
import { type Ended, spawnCommand } from '../support/cluster/command.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { kubeconfigWith, tokenOf } from '../support/cluster/service-account-token.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

const CREATOR = 'creator';
const STRANGER = 'stranger';
const INSTALLER = 'installer';
/** Longest time of a check of a running API server. */
const LONGEST_MS = promisedMs(3_000);
/** Repeats a check that fails. */
const WAIT = '--wait=2m';

/** An address of this machine that is not loopback, because the API server refuses loopback in an EndpointSlice. */
const ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

describe('terraform-daemon check', () => {
  let cluster: Cluster;
  let daemon: Daemon | undefined;
  let port: number;
  before(async () => {
    assert.ok(ADDRESS, 'this machine has no address besides loopback');
    // With this flag the API server calls the endpoints of a Service itself, as kube-proxy would.
    const apiServerArgs = ['--enable-aggregator-routing=true'];
    cluster = await startCluster({ apiServerArgs, users: [CREATOR, STRANGER, INSTALLER].map((name) => ({ name })) });
    await cluster.core.deleteNamespacedService({ namespace: NAMESPACE, name: SERVICE });
    await cluster.createNamespace('team-a');
    await grantJobs(cluster);
  });
  after(() => cluster?.stop());
  afterEach(async () => {
    await daemon?.stop();
    daemon = undefined;
    await removeService(cluster);
    await cluster.forgetDaemon();
  });

  /** Starts a daemon that is the only endpoint of its Service. */
  async function start(): Promise<void> {
    port = await freePort();
    await createService(cluster, port);
    const flags = ['--webhook-bind-address=0.0.0.0', '--service-port=443'];
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, port, flags });
    await daemon.line('ready');
  }
  /** Runs the command. `text` is its output with each step on one line. */
  async function run(kubeconfig: string, ...args: readonly string[]): Promise<Ended & { readonly text: string }> {
    const ended = await spawnCommand(['check', `--kubeconfig=${kubeconfig}`, ...args]);
    return { ...ended, text: ended.stdout.replaceAll(/\n {15}/g, ' ') };
  }
  const check = (...args: readonly string[]) => run(cluster.kubeconfig, ...args);
  /**
   * Waits until the API server calls the webhook, because it reads a new configuration after a moment. The check fails
   * if its dry run takes longer than 1.5 s, which can happen on a shared machine.
   */
  const healthy = async () => assert.equal((await check(WAIT)).exitCode, 0);
  /** Runs the check until its text matches and it is short enough, because a shared machine can be slow for a while. */
  const checkUntil = (patterns: readonly RegExp[], wanted: number) =>
    eventually(
      async () => {
        const startMs = performance.now();
        const { exitCode, text, stderr } = await check();
        const tookMs = performance.now() - startMs;
        for (const pattern of patterns) assert.match(text, pattern);
        assert.deepEqual([exitCode, stderr], [wanted, '']);
        assert.ok(tookMs < LONGEST_MS, `${tookMs} ms`);
        return text;
      },
      { withinMs: 120_000 },
    );
  const failing = (...patterns: readonly RegExp[]) => checkUntil(patterns, 1);
  const patchWebhook = (field: string, value: unknown) =>
    cluster.admission.patchMutatingWebhookConfiguration(
      { name: REGISTRATION, body: [{ op: 'replace', path: `/webhooks/0/${field}`, value }] },
      setHeaderOptions('Content-Type', PatchStrategy.JsonPatch),
    );

  it('check passes on a healthy install, stores no Job, and takes less than 3 s', async () => {
    await start();
    await healthy();
    const text = await checkUntil([/\nverdict: passed: /], 0);
    assert.match(text, /^✓ api-server +answers, version v1\.\d+/);
    assert.match(text, /\n✓ registration +MutatingWebhookConfiguration \S+ calls Service vela-system\//);
    assert.match(text, /\n✓ trust +the CA bundle has 1 CA, valid until \d{4}-/);
    assert.match(text, /\n✓ endpoints +Service \S+ has 1 ready endpoint\n/);
    assert.match(
      text,
      /\n✓ dry-run +a Job of terraform-controller came back capped: backoffLimit 0, restartPolicy Never\n/,
    );
    const { items } = await cluster.batch.listNamespacedJob({ namespace: NAMESPACE });
    assert.deepEqual(items, []);
  });

  it('check --namespace sends the Job to another namespace than the one of the Service', async () => {
    await start();
    await healthy();
    const { exitCode, text } = await check('--namespace=team-a', WAIT);
    assert.equal(exitCode, 0, text);
    assert.match(text, /✓ namespace +the webhook selects Jobs in namespace team-a\n/);
  });

  it('check names the missing endpoints of the Service', async () => {
    await start();
    await healthy();
    await apiClient(cluster.kubeconfig, DiscoveryV1Api).deleteNamespacedEndpointSlice({
      namespace: NAMESPACE,
      name: SERVICE,
    });
    await failing(
      /✗ endpoints +Service \S+ has no ready endpoint/,
      / kubectl -n vela-system get pods -l app=terraform-daemon\n/,
      /✗ dry-run +the Job came back with backoffLimit 2147483647, restartPolicy OnFailure: see the failed/,
    );
  });

  it('check names an emptied CA bundle', async () => {
    await start();
    await healthy();
    await daemon?.stop();
    await patchWebhook('clientConfig/caBundle', '');
    await failing(/✗ trust +the CA bundle of the webhook \(caBundle\) is empty kubectl .* rollout restart/);
  });

  it('check names a wrong rule of the webhook', async () => {
    await start();
    await healthy();
    await daemon?.stop('SIGKILL');
    await patchWebhook('rules/0/operations', ['UPDATE']);
    await failing(/✗ registration +these fields differ from what the daemon writes: rules kubectl/);
  });

  it('check names the selector that excludes the namespace', async () => {
    await start();
    await healthy();
    await patchWebhook('namespaceSelector', { matchLabels: { team: 'yes' } });
    await failing(/✗ namespace +the namespaceSelector of the webhook excludes namespace vela-system kubectl/);
  });

  it('check names a closed port of the endpoint, through the proxy of the API server', async () => {
    await start();
    await healthy();
    await daemon?.stop('SIGKILL');
    await failing(/✗ dry-run +the Job came back/, /: the API server cannot use the endpoint: .* connection refused/);
  });

  it('check names an endpoint that accepts connections and never answers, after 1.5 s', async (t) => {
    await start();
    await healthy();
    await daemon?.stop('SIGKILL');
    const silent = createServer((socket) => socket.on('error', () => {})).listen(port, ADDRESS);
    t.after(() => void silent.close());
    await once(silent, 'listening');
    await failing(
      /✗ dry-run +the API server has not answered within 1\.5 s/,
      /waits for the endpoint: a NetworkPolicy or a firewall drops its packets/,
    );
  });

  it('with failurePolicy Fail, check prints the error of the API server', async () => {
    await start();
    await healthy();
    await daemon?.stop('SIGKILL');
    await patchWebhook('failurePolicy', 'Fail');
    await failing(
      /✗ dry-run +cannot create a Job/,
      /failed calling webhook "modify\.terraform\.job\.kb\.io": .* refused/,
    );
  });

  it('check names a missing registration', async () => {
    await failing(
      /✗ registration +MutatingWebhookConfiguration \S+ does not exist: is a daemon running\? To install .*\(docs\/how-to\/install\.md\) kubectl get pods -A/,
    );
  });

  it('check --wait repeats a failed check until the daemon is ready', async () => {
    const waiting = check(WAIT);
    await start();
    const { exitCode, text } = await waiting;
    assert.equal(exitCode, 0, text);
  });

  it('check proves the path for a user who may only create Jobs, and skips what the user may not read', async () => {
    await start();
    await healthy();
    const { exitCode, text } = await run(cluster.kubeconfigFor(CREATOR), '--namespace=team-a', WAIT);
    assert.equal(exitCode, 0, text);
    assert.match(text, /\n- registration +.*: the current user has no permission to read it\n/);
    assert.match(text, /\n✓ dry-run /);
  });

  it('check passes every step with the rights of the ServiceAccount of helm test', async (t) => {
    const rights = (await chartTestObjects({})).filter(({ kind }) => kind !== 'Pod');
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: rights });
    const folder = await aFolder(t, { 'rights.json': list });
    await kubectl(cluster.kubeconfig, ['apply', '-f', join(folder, 'rights.json')]);
    await start();
    await healthy();
    const token = await tokenOf(cluster, 'terraform-daemon-test');
    const { exitCode, text } = await run(await kubeconfigWith(token, cluster, folder), WAIT);
    assert.equal(exitCode, 0, text);
    assert.doesNotMatch(text, /^-/m);
  });

  it('check in a namespace that does not exist proposes to list the namespaces, and no log of a daemon', async () => {
    const { exitCode, text } = await check('--namespace=missing');
    assert.equal(exitCode, 1, text);
    assert.match(text, /✗ namespace +namespace missing does not exist kubectl get namespaces\n/);
    assert.doesNotMatch(text, / logs /);
  });

  it('check is incomplete for a user who may not create Jobs', async () => {
    await start();
    const { exitCode, text } = await run(cluster.kubeconfigFor(STRANGER), WAIT);
    assert.equal(exitCode, 3, text);
    assert.match(text, /\n- dry-run +cannot create a Job in namespace vela-system as a dry run: .* is forbidden/);
    assert.match(text, / kubectl auth can-i create jobs -n vela-system\nverdict: /);
    assert.doesNotMatch(text, /rbac/);
    assert.match(text, /\n- endpoints +the name of the Service: it is in the MutatingWebhookConfiguration, which the/);
    assert.match(text, /verdict: incomplete: /);
  });

  for (const [what, args] of Object.entries({ check: [], 'check --pre': ['--pre'] })) {
    it(`${what} -o json prints a report that its JSON Schema accepts`, async () => {
      const { stdout } = await check('-o', 'json', ...args);
      const report = JSON.parse(stdout);
      z.fromJSONSchema(schema as never).parse(report);
      assert.deepEqual([report.format, report.steps[0].name], [1, 'api-server']);
    });
  }

  describe('check --pre', () => {
    it('check --pre passes for a cluster admin and names what it cannot see', async () => {
      const { exitCode, text } = await check('--pre');
      assert.equal(exitCode, 0, text);
      assert.match(text, /✓ namespace +namespace vela-system exists\n/);
      assert.match(text, /✓ network +no NetworkPolicy selects the Pods; firewalls .* port 8090/);
      assert.match(text, /\nverdict: passed: no check failed; --pre sends no dry run\n/);
    });

    it('check --pre names a missing namespace and the command that creates it', async () => {
      const { exitCode, text } = await check('--pre', '--namespace=missing');
      assert.equal(exitCode, 1);
      assert.match(text, /✗ namespace +namespace missing does not exist kubectl create namespace missing\n/);
    });

    it('check --pre names each kind that the user may not create', async () => {
      const { exitCode, text } = await run(cluster.kubeconfigFor(STRANGER), '--pre');
      assert.equal(exitCode, 1);
      assert.match(text, /✗ rights +the current user may not create serviceaccounts, services, deployments\.apps/);
      assert.match(text, /kubectl auth can-i create serviceaccounts -n vela-system\n/);
    });

    it('with --backstop-namespaces, check --pre names each listed namespace that is missing, or where the user may not create Roles', async () => {
      await grantInstall(cluster);
      const installer = cluster.kubeconfigFor(INSTALLER);
      // The API server sees new RBAC rules with a delay.
      await eventually(async () => {
        const { text } = await run(installer, '--pre');
        assert.match(text, /✓ rights +the current user may create each object of manifests\/install\.yaml\n/);
      });
      const listed = '--backstop-namespaces=team-a,vela-system,later';
      const { exitCode, text } = await run(installer, '--pre', listed);
      assert.equal(exitCode, 1, text);
      assert.match(text, /✗ namespace +namespace later does not exist kubectl create namespace later\n/);
      const right = (kind: string, namespace: string) =>
        `${kind}.rbac.authorization.k8s.io in namespace ${namespace} (manifests/backstop-namespace)`;
      const missing = ['team-a', 'later'].flatMap((name) => [right('roles', name), right('rolebindings', name)]);
      assert.ok(text.includes(`the current user may not create ${missing.join(', ')}`), text);
      assert.match(text, / kubectl auth can-i create roles\.rbac\.authorization\.k8s\.io -n team-a\n/);
      const stranger = await run(cluster.kubeconfigFor(STRANGER), '--pre', '--backstop-namespaces=vela-system');
      assert.equal(stranger.text.match(/ roles\.rbac/g)?.length, 1, stranger.text);
      const admin = await check('--pre', '--backstop-namespaces=team-a');
      assert.match(admin.text, /✓ namespace +namespace vela-system exists, namespace team-a exists\n/);
      assert.match(admin.text, /✓ rights +.*manifests\/backstop-namespace in each listed namespace\n/);
    });

    it('check --pre names a NetworkPolicy that does not open the port', async () => {
      const networking = apiClient(cluster.kubeconfig, NetworkingV1Api);
      const metadata = { name: 'deny' };
      const body = { metadata, spec: { podSelector: {}, policyTypes: ['Ingress'] } };
      await networking.createNamespacedNetworkPolicy({ namespace: 'team-a', body });
      const { text } = await check('--pre', '--namespace=team-a');
      assert.match(text, /✓ network +NetworkPolicy deny does not open port 8090 to all addresses;/);
    });
  });

  it('check exits with code 1 and names the failure if the API server is unavailable', async (t) => {
    const { exitCode, text } = await run(await aKubeconfig(t));
    assert.equal(exitCode, 1);
    assert.match(text, /^✗ api-server +cannot read the version of the API server: /);
  });
});

/** Creates the Service, a Pod with the address of this machine, and the EndpointSlice for it. */
async function createService({ core, kubeconfig }: Cluster, port: number): Promise<void> {
  const address = ADDRESS ?? '';
  const namespace = NAMESPACE;
  const metadata = { name: SERVICE, labels: { 'kubernetes.io/service-name': SERVICE } };
  const ports = [{ name: 'https', port: 443, targetPort: port, protocol: 'TCP' }];
  await core.createNamespacedService({ namespace, body: { metadata, spec: { ports } } });
  const containers = [{ name: 'terraform-daemon', image: 'terraform-daemon' }];
  // The API server forwards a proxied request only to an address that a Pod has.
  const pod = await core.createNamespacedPod({
    namespace,
    body: { metadata, spec: { containers, automountServiceAccountToken: false } },
  });
  const status = { podIP: address, podIPs: [{ ip: address }] };
  await core.replaceNamespacedPodStatus({ namespace, name: SERVICE, body: { ...pod, status } });
  const targetRef = { kind: 'Pod', namespace, name: SERVICE, uid: pod.metadata?.uid ?? '' };
  await apiClient(kubeconfig, DiscoveryV1Api).createNamespacedEndpointSlice({
    namespace,
    body: {
      metadata,
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true }, targetRef }],
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    },
  });
}

async function removeService({ core, kubeconfig }: Cluster): Promise<void> {
  const name = { namespace: NAMESPACE, name: SERVICE };
  const slices = apiClient(kubeconfig, DiscoveryV1Api);
  const calls = [
    core.deleteNamespacedService(name),
    core.deleteNamespacedPod({ ...name, gracePeriodSeconds: 0 }),
    slices.deleteNamespacedEndpointSlice(name),
  ];
  await Promise.allSettled(calls);
}

/** Allows the user `creator` to create Jobs in the namespace `team-a`. */
async function grantJobs({ kubeconfig }: Cluster): Promise<void> {
  const rbac = apiClient(kubeconfig, RbacAuthorizationV1Api);
  const apiGroup = 'rbac.authorization.k8s.io';
  const metadata = { name: 'check' };
  const namespace = 'team-a';
  const rules = [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['create'] }];
  await rbac.createNamespacedRole({ namespace, body: { metadata, rules } });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: {
      metadata,
      roleRef: { apiGroup, kind: 'Role', name: 'check' },
      subjects: [{ apiGroup, kind: 'User', name: CREATOR }],
    },
  });
}

/** Allows the user `installer` to create the objects of manifests/install.yaml, and to read namespaces. */
async function grantInstall({ kubeconfig }: Cluster): Promise<void> {
  const rbac = apiClient(kubeconfig, RbacAuthorizationV1Api);
  const apiGroup = 'rbac.authorization.k8s.io';
  const metadata = { name: INSTALLER };
  const subjects = [{ apiGroup, kind: 'User', name: INSTALLER }];
  const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['create', 'list'] }];
  await rbac.createNamespacedRole({ namespace: NAMESPACE, body: { metadata, rules } });
  const roleRef = { apiGroup, kind: 'Role', name: INSTALLER };
  await rbac.createNamespacedRoleBinding({ namespace: NAMESPACE, body: { metadata, roleRef, subjects } });
  const clusterRules = [
    { apiGroups: [apiGroup], resources: ['clusterroles', 'clusterrolebindings'], verbs: ['create'] },
    { apiGroups: ['admissionregistration.k8s.io'], resources: ['*'], verbs: ['create'] },
    { apiGroups: [''], resources: ['namespaces'], verbs: ['get'] },
  ];
  await rbac.createClusterRole({ body: { metadata, rules: clusterRules } });
  const clusterRoleRef = { apiGroup, kind: 'ClusterRole', name: INSTALLER };
  await rbac.createClusterRoleBinding({ body: { metadata, roleRef: clusterRoleRef, subjects } });
}
