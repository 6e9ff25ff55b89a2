import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { AppsV1Api, KubeConfig, type V1PodStatus } from '@kubernetes/client-node';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { KUBECTL_COMPLETION, kubectlCompletion } from '../../tools/docs/kubectl-completion.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { type Cluster, NAMESPACE, startCluster } from '../support/cluster/cluster.ts';
import { type KubectlPlugin, kubectlPlugin } from '../support/cluster/kubectl-plugin.ts';
import { eventually } from '../support/eventually.ts';

describe('kubectl terraform-daemon', () => {
  let cluster: Cluster;
  let plugin: KubectlPlugin;
  before(async () => {
    cluster = await startCluster();
    plugin = await kubectlPlugin(cluster.kubeconfig);
  });
  after(() => cluster?.stop());
  const pods = async () => (await cluster.core.listNamespacedPod({ namespace: NAMESPACE })).items;
  async function podTemplate() {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const apps = config.makeApiClient(AppsV1Api);
    const { spec } = await apps.readNamespacedDeployment({ namespace: NAMESPACE, name: 'terraform-daemon' });
    assert.ok(spec?.template.spec);
    return { metadata: spec.template.metadata, spec: spec.template.spec };
  }

  /** Runs the plugin until its Pod exists, and then sends SIGINT to its process group, as Ctrl-C does. */
  async function interrupted(shell: string, podStatus: V1PodStatus = {}) {
    const child = plugin.start(shell, 'applies');
    const stderr = text(child.stderr);
    const ended = once(child, 'close');
    const pod = await eventually(async () => {
      const [created] = await pods();
      assert.ok(created);
      return created;
    });
    const name = pod.metadata?.name ?? '';
    const body = { ...pod, status: { phase: 'Pending', ...podStatus } };
    await cluster.core.replaceNamespacedPodStatus({ namespace: NAMESPACE, name, body });
    assert.ok(child.pid);
    process.kill(-child.pid, 'SIGINT');
    await ended;
    return { exitCode: child.exitCode, stderr: await stderr, pod };
  }

  it('prints a help that says which commands need the rights of the user, and exits with code 2 without a command', async () => {
    const help = await plugin.run('--help');
    assert.equal(help.exitCode, 0);
    assert.match(help.stdout, /^ {2}terraform-daemon check\n {2}terraform-daemon applies retry/m);
    assert.doesNotMatch(help.stdout, /kubectl terraform-daemon check/);
    assert.deepEqual(await plugin.run(), { exitCode: 2, stdout: '', stderr: help.stdout });
    const unknown = await plugin.run('--verbose', 'check');
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.stderr, /unknown option --verbose: valid options before the command are --namespace, /);
  });

  it('names the option --namespace if the namespace has no Deployment of the daemon', async () => {
    const { exitCode, stderr } = await plugin.run('--namespace', 'default', 'check');
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      /no Deployment with the label app=terraform-daemon .* is in namespace default: set .* --namespace/,
    );
  });

  it('reports the error of kubectl, and creates no Pod, if the context does not exist', async () => {
    const { exitCode, stderr } = await plugin.run('--context=nowhere', 'check');
    assert.equal(exitCode, 1);
    assert.match(stderr, /context "nowhere" does not exist/);
    assert.deepEqual(await pods(), []);
  });

  it('reports the error of kubectl, and calls no other cluster, if the file of --kubeconfig does not exist', async () => {
    for (const option of [['--kubeconfig', '/no/such/file'], ['--kubeconfig=/no/such/file']]) {
      const { exitCode, stderr } = await plugin.run(...option, 'check');
      assert.equal(exitCode, 1);
      assert.equal(stderr, 'error: stat /no/such/file: no such file or directory\n');
    }
  });

  it('exits with code 2 if an option before the command has no value', async () => {
    for (const options of [['--context=', 'check'], ['-n', '', 'check'], ['--kubeconfig'], ['-n']]) {
      const { exitCode, stderr } = await plugin.run(...options);
      assert.equal(exitCode, 2);
      assert.match(stderr, /^kubectl terraform-daemon: -[^ ]+: must have a value$/m);
    }
  });

  it('creates a Pod like the Pods of the daemon if none runs, which a restricted namespace admits', async () => {
    const restricted = 'pod-security.kubernetes.io/enforce=restricted';
    await kubectl(cluster.kubeconfig, ['label', 'namespace', NAMESPACE, restricted]);
    await kubectl(cluster.kubeconfig, ['apply', '--server-side', '--force-conflicts', '-f', INSTALL]);
    const ended = plugin.run('applies', '-A', '--output=json');
    const pod = await eventually(async () => {
      const [created] = await pods();
      assert.ok(created);
      return created;
    });
    const name = pod.metadata?.name ?? '';
    // There is no kubelet, so the Pod does not start.
    await cluster.core.deleteNamespacedPod({ namespace: NAMESPACE, name, gracePeriodSeconds: 0 });
    const { exitCode, stderr } = await ended;
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      new RegExp(`no Pod of the daemon runs, so Pod ${NAMESPACE}/${name} is created with image terraf`),
    );
    const { spec: template } = await podTemplate();
    const [container] = pod.spec?.containers ?? [];
    assert.deepEqual(container?.args, ['applies', '-A', '--output=json']);
    assert.equal(container?.image, template.containers[0]?.image);
    assert.deepEqual(container?.securityContext, template.containers[0]?.securityContext);
    assert.deepEqual(container?.volumeMounts, template.containers[0]?.volumeMounts);
    assert.deepEqual(container?.resources, template.containers[0]?.resources);
    assert.deepEqual(pod.spec?.securityContext, template.securityContext);
    assert.equal(pod.spec?.serviceAccountName, 'terraform-daemon');
    assert.equal(pod.spec?.restartPolicy, 'Never');
    assert.equal(pod.metadata?.labels?.app, undefined); // the Service selects by this label
  });

  it('copies the container of the daemon, which is the second one, from one of two Deployments', async () => {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const apps = config.makeApiClient(AppsV1Api);
    const { metadata, spec } = await podTemplate();
    const [daemon] = spec.containers;
    assert.ok(daemon);
    const deployments = [
      { name: 'a-other', containers: [{ ...daemon, name: 'other' }] },
      { name: 'b-sidecar', containers: [{ name: 'proxy', image: 'example.com/proxy:1' }, daemon] },
    ];
    for (const { name, containers } of deployments) {
      await apps.createNamespacedDeployment({
        namespace: NAMESPACE,
        body: {
          metadata: { name, labels: { app: 'terraform-daemon' } },
          spec: {
            selector: { matchLabels: metadata?.labels ?? {} },
            template: { metadata: metadata ?? {}, spec: { ...spec, containers } },
          },
        },
      });
    }
    const { stderr, exitCode, pod } = await interrupted('sh');
    for (const { name } of deployments) await apps.deleteNamespacedDeployment({ namespace: NAMESPACE, name });
    assert.equal(exitCode, 130, stderr);
    const [container] = pod.spec?.containers ?? [];
    assert.equal(container?.image, daemon.image);
    assert.deepEqual(container?.volumeMounts, daemon.volumeMounts);
    assert.deepEqual(container?.securityContext, daemon.securityContext);
  });

  // As a kubelet and a scheduler write them.
  const unpulled = {
    image: '',
    imageID: '',
    name: 'terraform-daemon',
    ready: false,
    restartCount: 0,
    state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } },
  };
  const unscheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' };
  const causes: readonly [string, V1PodStatus, string][] = [
    [
      'sh',
      { conditions: [{ type: 'PodScheduled', status: 'True' }], containerStatuses: [unpulled] },
      'ImagePullBackOff',
    ],
    ['bash', { conditions: [unscheduled] }, '0/1 nodes'],
  ];
  for (const [shell, status, reason] of causes) {
    it(`says that the new Pod has not started because of ${reason}, and deletes it, after Ctrl-C in ${shell}`, async () => {
      const { exitCode, stderr } = await interrupted(shell, status);
      assert.equal(exitCode, 130, stderr);
      assert.match(stderr, new RegExp(`Pod [^ ]+ has not started: .*${reason}`));
      assert.deepEqual(await pods(), []);
    });
  }

  it('calls a Pod of the daemon whose container runs, rather than one whose container does not', async () => {
    const { metadata, spec } = await podTemplate();
    for (const [name, state] of [
      ['a-crash-loop', { waiting: { reason: 'CrashLoopBackOff' } }],
      ['b-running', { running: { startedAt: new Date() } }],
    ] as const) {
      await cluster.core.createNamespacedPod({ namespace: NAMESPACE, body: { metadata: { ...metadata, name }, spec } });
      const status = { image: '', imageID: '', name: 'terraform-daemon', ready: true, restartCount: 0, state };
      await cluster.core.replaceNamespacedPodStatus({
        namespace: NAMESPACE,
        name,
        body: { metadata: { ...metadata, name }, spec, status: { phase: 'Running', containerStatuses: [status] } },
      });
    }
    for (const option of [['-n', NAMESPACE], [`-n${NAMESPACE}`], [`-n=${NAMESPACE}`]]) {
      const { exitCode, stderr } = await plugin.run(...option, 'check');
      assert.equal(exitCode, 1);
      assert.match(stderr, /pod b-running does not have a host assigned/);
    }
  });

  it('kubectl completes the commands, their options and values after options of kubectl', async () => {
    for (const [words, expected] of [
      [['insp'], 'inspect\n'],
      [['-n', NAMESPACE, 'inspect', '--output', 'j'], 'json\n'],
      [['--context=a', 'applies', 'ret'], 'retry\n'],
    ] as const) {
      const { stdout } = await plugin.kubectl('__complete', 'terraform-daemon', ...words);
      assert.equal(stdout, `${expected}:4\n`);
    }
    const { stdout } = await plugin.kubectl('__complete', 'terraform-daemon', '');
    assert.match(stdout, /^check\n/m);
    assert.doesNotMatch(stdout, /^run\n/m);
  });

  it('kubectl completes the options of the plugin before a command, which are the ones that the plugin accepts', async () => {
    const { stdout } = await plugin.kubectl('__complete', 'terraform-daemon', '-');
    assert.equal(stdout, '-n\n--namespace\n--context\n--kubeconfig\n-h\n--help\n:4\n');
  });

  it('the completion of the plugin is the one that npm run docs writes', async () => {
    assert.equal(await readFile(KUBECTL_COMPLETION, 'utf8'), kubectlCompletion());
  });
});
