import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { V1Deployment } from '@kubernetes/client-node';
import { optionsOf } from '../../tools/chart/helm.ts';
import { ensureBinaries, ensureTool } from '../../tools/control-plane/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../tools/control-plane/control-plane.ts';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import type { AdmissionRequest } from '../support/chaos/admission-outcomes.ts';
import { type AdmissionStream, startAdmissionStream } from '../support/chaos/admission-stream.ts';
import { type Cluster, clusterOf, DAEMON_USER, NAMESPACE, SECRET, SERVICE } from '../support/cluster/cluster.ts';
import { BUNDLE, startDaemon } from '../support/cluster/daemon.ts';
import { issueByHand, MANUAL_IMAGE, manualObjects, startManualWebhook } from '../support/cluster/manual-webhook.ts';
import { type StandIn, startStandInNode } from '../support/cluster/stand-in-node.ts';
import { projectFile, readDocument, shellBlocks } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const PAGE = 'docs/how-to/migrate-from-a-manual-webhook.md';
const BRIDGE = 'terraform-bridge';
const STREAM_NAMESPACE = 'stream';
/** Number of Jobs in a row that must have the expected values after a step. */
const STEADY_REQUESTS = 20;

/** Whether the Job was stored with `backoffLimit: 0`. The manual webhook leaves the `restartPolicy`. */
const isCapped = ({ outcome, detail }: AdmissionRequest): boolean =>
  outcome === 'mutated' || (outcome === 'unmutated' && detail.startsWith('backoffLimit 0,'));
const isCappedByDaemon = ({ outcome }: AdmissionRequest): boolean => outcome === 'mutated';
const isCappedByHand = (request: AdmissionRequest): boolean => isCapped(request) && !isCappedByDaemon(request);

describe('the migration from a manual webhook under a stream of Jobs, with the commands of the page', async () => {
  const blocks = shellBlocks(PAGE, await readDocument(PAGE)).map(({ commands }) => commands);
  const [save = '', bridge = '', checkBridge = '', remove = '', ...later] = blocks;
  const [install = '', removeBridge = '', listLeft = '', back = ''] = later;
  let controlPlane: ControlPlane;
  let cluster: Cluster;
  let node: ReturnType<typeof startStandInNode> | undefined;
  let stream: AdmissionStream | undefined;
  let folder: string;
  let manualPort: number;
  /** When the API server had loaded the registration of the manual webhook. It stores earlier Jobs uncapped. */
  let inForceSince: Date;

  before(async () => {
    const users = [{ name: DAEMON_USER }, { name: `system:serviceaccount:${BRIDGE}:${BRIDGE}` }];
    controlPlane = await startControlPlane({ users, controllerManager: true });
    cluster = clusterOf(controlPlane);
    for (const name of [NAMESPACE, STREAM_NAMESPACE]) await cluster.createNamespace(name);
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-migration-'));
    await issueByHand(folder);
    manualPort = await freePort();
    await prepareCommands();
    node = startStandInNode(cluster.kubeconfig, [NAMESPACE, BRIDGE], start);
    const items = await manualObjects(folder, manualPort);
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await kubectl(cluster.kubeconfig, ['apply', '-f', '-'], list);
    await kubectl(cluster.kubeconfig, ['-n', NAMESPACE, 'rollout', 'status', 'deployment/terraform-daemon']);
  });
  after(async () => {
    await stream?.stop();
    await node?.stop();
    await controlPlane?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Makes a working folder with `manifests`, and a folder of programs for the PATH. */
  async function prepareCommands(): Promise<void> {
    await symlink(projectFile('manifests'), join(folder, 'manifests'));
    await symlink((await ensureBinaries(['kubectl'])).kubectl, join(folder, 'kubectl'));
    await symlink(await ensureTool('helm4'), join(folder, 'helm'));
    await writeFile(join(folder, 'terraform-daemon'), `#!/bin/sh\nexec ${process.execPath} ${BUNDLE} "$@"\n`);
    await chmod(join(folder, 'terraform-daemon'), 0o755);
  }

  /** Starts the process of a Deployment: the manual webhook or a daemon. */
  async function start({ metadata, spec }: V1Deployment): Promise<StandIn> {
    const { namespace = '', name = '' } = metadata ?? {};
    const container = spec?.template.spec?.containers[0];
    if (container?.image === MANUAL_IMAGE) return startManualWebhook(folder, manualPort);
    const options = Object.entries(optionsOf(container)).map(([option, value]) => `--${option}=${value}`);
    const daemon = await startDaemon({
      kubeconfig: controlPlane.kubeconfigFor(`system:serviceaccount:${namespace}:${name}`),
      flags: [`--namespace=${namespace}`, ...options],
    });
    await daemon.line('ready');
    return daemon;
  }

  /** Runs a block of the page in the working folder. Returns its stdout. */
  async function run(commands: string): Promise<string> {
    const env = {
      ...process.env,
      HOME: folder,
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      KUBECONFIG: cluster.kubeconfig,
      KUBERC: 'off',
      KUBECACHEDIR: join(folder, 'cache'),
    };
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { cwd: folder, env });
    return stdout;
  }

  /** Waits until the last Jobs in a row, all sent after the call, are as expected. */
  async function untilSteady(isExpected: (request: AdmissionRequest) => boolean): Promise<void> {
    const since = new Date();
    await eventually(() => {
      const sent = stream?.requests().filter(({ sentAt }) => sentAt >= since) ?? [];
      assert.ok(sent.length >= STEADY_REQUESTS);
      assert.deepEqual(
        sent.slice(-STEADY_REQUESTS).filter((request) => !isExpected(request)),
        [],
      );
    });
  }

  it('the page has the eight blocks that these tests run, in this order', () => {
    const starts = [save, bridge, checkBridge, remove, install, removeBridge, listLeft, back].map(
      (commands) => /kubectl (?:-n \S+ )?\w+|helm \w+|terraform-daemon \w+/.exec(commands)?.[0],
    );
    assert.deepEqual(starts, [
      'kubectl -n vela-system get',
      'helm install',
      'terraform-daemon check',
      'kubectl delete',
      'kubectl apply',
      'helm uninstall',
      'kubectl -n vela-system get',
      'kubectl delete',
    ]);
    assert.equal(blocks.length, starts.length);
  });

  it('the command that saves the manual webhook fails and writes no file if kubectl fails', async () => {
    await assert.rejects(run(`set +o pipefail; KUBECONFIG=/dev/null\n${save}`), /refused|localhost/);
    await assert.rejects(access(join(folder, 'manual-webhook.yaml')));
  });

  it('the bridge caps Jobs beside the manual webhook, which is saved before', async () => {
    stream = await startAdmissionStream(cluster, { namespace: STREAM_NAMESPACE, perSecond: 20 });
    await untilSteady(isCappedByHand);
    inForceSince = new Date();
    const kinds = (await run(save)).trim().split('\n');
    for (const kind of ['Deployment', 'Service', 'Secret', 'MutatingWebhookConfiguration'])
      assert.ok(kinds.includes(kind));
    await run(bridge);
    await run(checkBridge);
    await untilSteady(isCappedByDaemon);
  });

  it('an apply over the manual webhook changes its Service, but the API server refuses the Deployment and the ClusterRoleBinding', async () => {
    const error = await kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]).then(() => '', String);
    assert.match(error, /Deployment\.apps "terraform-daemon" is invalid: spec\.selector: .*field is immutable/);
    assert.match(
      error,
      /ClusterRoleBinding\.rbac\S* "terraform-daemon" is invalid: roleRef: .*(cannot change roleRef|field is immutable)/,
    );
    assert.deepEqual(Object.keys((await cluster.secret())?.data ?? {}), ['cert.pem', 'key.pem']);
    const { spec } = await cluster.core.readNamespacedService({ namespace: NAMESPACE, name: SERVICE });
    assert.deepEqual(spec?.selector, { app: 'terraform-daemon' });
  });

  it('the daemon takes the place of the manual webhook behind the bridge, and caps Jobs alone after the bridge is removed', async () => {
    await run(remove);
    await run(install);
    await run(removeBridge);
    await untilSteady(isCappedByDaemon);
    await assert.rejects(run(save), /manual-webhook\.yaml: cannot overwrite existing file/);
    assert.equal((await cluster.secret())?.type, 'kubernetes.io/tls');
    assert.equal((await cluster.registration())?.metadata?.ownerReferences?.length, 1);
  });

  it('the commands of the page list the files and objects that the manual webhook has left, and no object of the daemon', async () => {
    const left = (await run(listLeft)).trim().split('\n');
    assert.deepEqual(left, ['ConfigMap/webhook-ca ca.pem', 'serviceaccount/old-webhook']);
  });

  it('the way back restores the manual webhook behind the bridge', async () => {
    await run(bridge);
    await run(back);
    await run(removeBridge.replace(/\n.*check$/, ''));
    await untilSteady(isCappedByHand);
    const { data } = await cluster.core.readNamespacedSecret({ namespace: NAMESPACE, name: SECRET });
    assert.deepEqual(Object.keys(data ?? {}), ['cert.pem', 'key.pem']);
    assert.equal((await cluster.registration())?.metadata?.ownerReferences, undefined);
  });

  it('no Job of the stream was refused or stored uncapped in any step', async (t) => {
    const all = (await stream?.stop())?.requests ?? [];
    const requests = all.filter(({ sentAt }) => sentAt >= inForceSince);
    t.diagnostic(`${requests.length} Jobs`);
    assert.ok(requests.length > 100);
    assert.deepEqual(
      requests.filter((request) => !isCapped(request)),
      [],
    );
  });
});
