import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { PatchStrategy, RbacAuthorizationV1Api, setHeaderOptions } from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { spawnCommand, terminalCommand } from '../support/cluster/command.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';

const READER = 'reader';
const STRANGER = 'stranger';

describe('terraform-daemon inspect', () => {
  let cluster: Cluster;
  let daemon: Daemon | undefined;
  let port: number;
  before(async () => {
    cluster = await startCluster({ users: [{ name: READER }, { name: STRANGER }] });
    await grantReading(cluster);
  });
  after(() => cluster?.stop());
  afterEach(async () => {
    await daemon?.stop();
    daemon = undefined;
    await cluster.forgetDaemon();
  });

  async function start(...flags: readonly string[]): Promise<void> {
    port = await freePort();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, port, flags });
    await daemon.line('ready');
  }
  const inspect = (...args: readonly string[]) => spawnCommand(['inspect', `--service-port=${port}`, ...args]);
  const asAdmin = (...args: readonly string[]) => inspect(`--kubeconfig=${cluster.kubeconfig}`, ...args);
  const address = () => `--address=localhost:${port}`;

  it('inspect finds a running daemon healthy and calls its endpoint', async () => {
    await start();
    const { exitCode, stdout, stderr } = await asAdmin(address());
    assert.deepEqual([exitCode, stderr], [0, ''], stdout);
    assert.match(stdout, /\nverdict: healthy\n$/);
    assert.match(stdout, /called {7}localhost:\d+, server name terraform-job-webhook-service\.vela-system\.svc\n/);
    assert.match(stdout, /presents .*, same as in the Secret\n {2}verified {5}yes, with the live CA bundle\n/);
    assert.match(stdout, /left {9}\[#+-*\] 89 of 90 days\n/);
    assertFits(stdout);
    await assertKeyless(cluster, stdout);
  });

  it('on a terminal of 80 columns inspect prints colours, and wraps Chinese subjects before its edge', async () => {
    const names = 'OU=平台基础设施与数据库运维部,O=北京某某云计算数据科技有限公司（海淀分公司）,L=北京市海淀区,C=CN';
    await start(`--subject=CN=准入,${names}`, `--ca-subject=CN=根,${names}`);
    const args = ['inspect', `--service-port=${port}`, `--kubeconfig=${cluster.kubeconfig}`, address()];
    const { exitCode, received, screen } = await terminalCommand(args, { columns: 80 });
    assert.equal(exitCode, 0, received);
    assert.ok(received.includes('\u001b[32myes, with the live CA bundle\u001b[39m'), received);
    assert.ok(received.includes('verdict: \u001b[32mhealthy\u001b[39m'), received);
    const subject = screen.slice(screen.findIndex((line) => line.startsWith('  subject')));
    assert.ok((subject[1] ?? '').startsWith(' '.repeat(15)), received);
    const width = (line: string): number => line.replaceAll(/[\p{Script=Han}（）]/gu, '##').length;
    // A word that is longer than a line stays whole.
    for (const line of screen) assert.ok(width(line) <= 80 || /^ {15}\S+$/.test(line), line);
    const plain = await terminalCommand(args, { columns: 80, env: { NO_COLOR: '1' } });
    assert.ok(!plain.received.includes('\u001b'), plain.received);
    // The first line has the time.
    assert.deepEqual(plain.screen.slice(1), screen.slice(1));
  });

  it('if the endpoint was not called, inspect says why and how to call it, and its verdict is not healthy', async (t) => {
    await start();
    const startMs = performance.now();
    const { exitCode, stdout } = await asAdmin();
    t.diagnostic(`${Math.round(performance.now() - startMs)} ms`);
    assert.equal(exitCode, 3, stdout);
    // The name server of this machine can be slow.
    assert.match(
      stdout,
      /\nverdict: incomplete: no problem was found, but the endpoint was not called\n {2}terraform-job-webhook-service\.vela-system\.svc (does not resolve from here|was not resolved within 2 s)\n$/,
    );
    assert.match(
      stdout,
      /called {7}no: terraform-job-webhook-service\.vela-system\.svc (does not resolve from here|was not resolved within 2 s)/,
    );
    assert.match(stdout, /kubectl -n vela-system port-forward service\/terraform-job-webhook-service 8443:\d+/);
    // The command repeats the options of this call, in the order of the help.
    assert.match(stdout, /terraform-daemon inspect --kubeconfig=\S+ --service-port=\d+ --address 127\.0\.0\.1:8443\n/);
  });

  it('inspect -o json prints the report as JSON', async () => {
    await start();
    const { exitCode, stdout } = await asAdmin(address(), '-o', 'json');
    const { format, verdict, problems, serving, secret, endpoint, rotation } = JSON.parse(stdout);
    assert.deepEqual([exitCode, format, verdict, problems], [0, 1, 'healthy', []]);
    const annotations = (await cluster.secret())?.metadata?.annotations ?? {};
    assert.equal(serving.sha256, annotations['terraform.job.kb.io/serving-fingerprint-sha256']);
    assert.deepEqual([secret.state, endpoint.isVerified, endpoint.isOfSecret], ['present', true, true]);
    assert.deepEqual(rotation, { phase: 'stable', since: null, waitsFor: null, until: null });
    await assertKeyless(cluster, stdout);
  });

  it('inspect -o html and -o json have the running Jobs, and say if the user may not list Jobs', async () => {
    await start();
    await cluster.createNamespace('team-a');
    const { metadata } = await cluster.createJob(await recordedJob('create-terraform-apply', 'team-a'));
    const name = metadata?.name ?? '';
    const page = await asAdmin(address(), '-o', 'html');
    assert.deepEqual([page.exitCode, page.stderr], [0, '']);
    assert.match(page.stdout, /^<!doctype html>\n.*<h1>The webhook is healthy<\/h1>.*\n<\/html>\n$/s);
    assert.ok(page.stdout.includes(`<td>${name}</td>`), page.stdout.slice(-20_000));
    await assertKeyless(cluster, page.stdout);
    const { applies } = JSON.parse((await asAdmin(address(), '-o', 'json')).stdout);
    assert.deepEqual([applies.state, applies.runs[0].job], ['present', { namespace: 'team-a', name }]);

    const ofReader = await inspect(`--kubeconfig=${cluster.kubeconfigFor(READER)}`, address(), '-o', 'html');
    assert.equal(ofReader.exitCode, 0);
    assert.ok(ofReader.stdout.includes('The current user has no permission to list Jobs.'));
  });

  it('inspect names the command that repairs an empty CA bundle', async () => {
    await start();
    await daemon?.stop();
    const body = [{ op: 'replace', path: '/webhooks/0/clientConfig/caBundle', value: '' }];
    const options = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body }, options);
    const { exitCode, stdout } = await asAdmin();
    assert.equal(exitCode, 1);
    assert.match(stdout, /trusts {7}no CA\n/);
    assert.match(stdout, /verdict: 1 problem\n {2}1\. untrusted \(registration\): .*\n.*: the bundle is empty\n/);
    assert.match(stdout, / {5}kubectl -n vela-system rollout restart deployment terraform-daemon\n$/);
  });

  it('inspect reports an endpoint that does not respond', async () => {
    await start();
    await daemon?.stop();
    const { exitCode, stdout } = await asAdmin(address());
    assert.equal(exitCode, 1);
    assert.match(stdout, /1\. unreachable \(endpoint\): cannot connect to localhost:\d+: .*ECONNREFUSED/);
  });

  it('inspect works for a user who can only get the Secret and the registration', async () => {
    await start();
    const { exitCode, stdout } = await inspect(`--kubeconfig=${cluster.kubeconfigFor(READER)}`, address());
    assert.equal(exitCode, 0, stdout);
  });

  it('inspect reports on the registration and names the missing right if the user cannot get the Secret', async () => {
    await start();
    const { exitCode, stdout } = await inspect(`--kubeconfig=${cluster.kubeconfigFor(STRANGER)}`, address());
    assert.equal(exitCode, 1);
    assert.match(stdout, /SECRET .*\n {2}state {8}the current user has no permission to read it\n/);
    assert.match(stdout, /trusts {7}Secret not read: /);
    assert.match(stdout, /presents .*\n {2}verified {5}yes, with the live CA bundle\n/);
    assert.match(stdout, /1\. forbidden \(Secret\): the current user has no permission to read it/);
    assert.match(stdout, /kubectl auth can-i get secrets\/terraform-job-webhook-cert -n vela-system\n$/);
  });

  it('inspect reports not-installed on an empty cluster', async () => {
    port = 443;
    const { exitCode, stdout } = await asAdmin();
    assert.equal(exitCode, 1);
    assert.match(stdout, /1\. not-installed .*\n(?: {5}.*\n)+ {5}kubectl get pods -A -l app=terraform-daemon\n$/);
  });

  // The last test: without kube-controller-manager the namespace stays in this phase.
  it('inspect proposes to delete the registration if the namespace of the daemon is being deleted', async () => {
    await start();
    await cluster.core.deleteNamespace({ name: NAMESPACE });
    const { exitCode, stdout } = await asAdmin();
    assert.equal(exitCode, 1, stdout);
    assert.match(stdout, /1\. namespace-removed \(registration\)/);
    assert.match(stdout, new RegExp(`\n {5}kubectl delete mutatingwebhookconfiguration ${REGISTRATION}\n`));
    assert.doesNotMatch(stdout, /rollout restart/);
  });
});

/**
 * Allows the user `reader` to get the Secret and the registration, and the user `stranger` to get only the
 * registration.
 */
async function grantReading({ kubeconfig }: Cluster): Promise<void> {
  const rbac = apiClient(kubeconfig, RbacAuthorizationV1Api);
  const apiGroup = 'rbac.authorization.k8s.io';
  const user = (name: string) => ({ apiGroup, kind: 'User', name });
  const registration = {
    apiGroups: ['admissionregistration.k8s.io'],
    resources: ['mutatingwebhookconfigurations'],
    resourceNames: [REGISTRATION],
    verbs: ['get'],
  };
  const secret = { apiGroups: [''], resources: ['secrets'], resourceNames: [SECRET], verbs: ['get'] };
  const metadata = { name: 'inspect' };
  const namespace = NAMESPACE;
  await rbac.createClusterRole({ body: { metadata, rules: [registration] } });
  await rbac.createClusterRoleBinding({
    body: {
      metadata,
      roleRef: { apiGroup, kind: 'ClusterRole', name: 'inspect' },
      subjects: [user(READER), user(STRANGER)],
    },
  });
  await rbac.createNamespacedRole({ namespace, body: { metadata, rules: [secret] } });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: { metadata, roleRef: { apiGroup, kind: 'Role', name: 'inspect' }, subjects: [user(READER)] },
  });
}

/** Asserts that the text fits on a screen of 45 lines and 100 columns. */
function assertFits(text: string): void {
  const lines = text.trimEnd().split('\n');
  assert.ok(lines.length <= 45, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length <= 100, line);
}

async function assertKeyless(cluster: Cluster, output: string): Promise<void> {
  assert.doesNotMatch(output, /PRIVATE KEY/);
  const { data = {} } = (await cluster.secret()) ?? {};
  for (const key of ['tls.key', 'ca.key']) {
    const pem = Buffer.from(data[key] ?? '', 'base64').toString();
    const lines = pem.split('\n').filter((line) => line.length === 64);
    assert.ok(lines.length > 10);
    for (const line of lines) assert.ok(!output.includes(line), `a line of ${key}`);
    assert.ok(!output.includes(data[key]?.slice(0, 60) ?? 'nothing'), `the encoded ${key}`);
  }
}
