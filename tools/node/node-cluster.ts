import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { apiGet } from '../control-plane/api-request.ts';
import { ensureBinaries } from '../control-plane/binaries.ts';
import { freePort } from '../control-plane/free-port.ts';
import { createProcessGroup, type ProcessGroup } from '../control-plane/process-group.ts';
import { type Progress, stderrProgress } from '../control-plane/progress.ts';
import { untilReady } from '../control-plane/readiness.ts';
import { tokenFile, withToken, writeKubeconfig } from '../control-plane/users.ts';
import type { ImageFile } from '../image/images.ts';
import { componentUsers, nodeScript } from './components.ts';
import { nodeConfiguration } from './configuration.ts';
import { writeKubeletCertificates } from './kubelet-certificates.ts';
import { API_PORT, NODE_IP, NODE_NAME, type NodeLayout, nodeLayout } from './layout.ts';
import { rememberMachine } from './machine.ts';
import { checkMachine } from './packages.ts';

/** A cluster with one real node, on which Pods run and Services work. */
export interface NodeCluster {
  /** Kubeconfig of the cluster admin. */
  readonly kubeconfig: string;
  /** Runs a command in the network of the node, where Pods and Services are reachable. Returns its stdout. */
  inside(command: string, ...args: readonly string[]): Promise<string>;
  readonly layout: NodeLayout;
  /** Imports the image into containerd, so that Pods can use it. */
  loadImage(image: ImageFile): Promise<void>;
  /** Stops the node. Resolves when its processes, mounts, cgroups and settings are removed. Safe to call again. */
  stop(): Promise<void>;
}

export interface NodeOptions {
  /** The image of the pause container that each Pod sandbox runs. containerd imports it before any other image. */
  readonly pause: ImageFile;
  readonly apiServerArgs?: readonly string[];
  readonly progress?: Progress;
}

const ADMIN = { name: 'node-cluster-admin', groups: ['system:masters'] };
const UNSHARE = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc'];

/**
 * Starts a cluster with one node: control plane, kubelet, kube-proxy and containerd in new namespaces.
 *
 * @throws Error if this machine lacks a package, with the command that installs it.
 */
export async function startNodeCluster(options: NodeOptions): Promise<NodeCluster> {
  const { pause, apiServerArgs = [], progress = stderrProgress() } = options;
  await checkMachine();
  const names = [
    'etcd',
    'kube-apiserver',
    'kube-controller-manager',
    'kube-proxy',
    'kube-scheduler',
    'kubelet',
  ] as const;
  const binaries = await ensureBinaries(names, progress);
  const restore = await rememberMachine();
  const group = await createProcessGroup();
  const stop = once(async () => {
    await group.stop();
    await restore();
  });
  try {
    const layout = nodeLayout(group.folder);
    const port = await freePort();
    const admin = await writeFiles(layout, `https://localhost:${port}`, pause.name);
    await writeFile(layout.file('node.sh'), nodeScript(layout, binaries, apiServerArgs));
    const node = await group.start('node', 'unshare', [...UNSHARE, 'sh', layout.file('node.sh')]);
    const listen = `TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr`;
    await group.start('door', 'socat', [listen, `UNIX-CONNECT:${layout.apiSocket}`]);
    const inside = async (command: string, ...args: readonly string[]) => {
      const target = ['--target', String(await childOf(node.pid)), '--mount', '--net', '--pid'];
      const { stdout } = await promisify(execFile)('nsenter', [...target, command, ...args], { maxBuffer: 2 ** 26 });
      return stdout;
    };
    const loadImage = async ({ archive }: ImageFile) => {
      const address = ['--address', layout.containerdSocket, '--namespace', 'k8s.io'];
      await inside('ctr', ...address, 'images', 'import', '--snapshotter', 'overlayfs', archive);
    };
    await untilNodeReady(layout, { url: `https://localhost:${port}`, token: admin.token }, group);
    await loadImage(pause);
    return { kubeconfig: admin.kubeconfig, layout, inside, loadImage, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}

async function writeFiles(layout: NodeLayout, outside: string, pauseImage: string) {
  for (const [name, content] of Object.entries(nodeConfiguration(layout, pauseImage))) {
    await mkdir(dirname(layout.file(name)), { recursive: true });
    await writeFile(layout.file(name), content);
  }
  await writeKubeletCertificates(layout);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(layout.serviceAccountKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const users = componentUsers.map((user) => withToken(user, layout.folder));
  const admin = withToken(ADMIN, layout.folder);
  await writeFile(layout.tokenFile, tokenFile([admin, ...users]), { mode: 0o600 });
  for (const user of users) await writeKubeconfig(user, `https://${NODE_IP}:${API_PORT}`, layout.caFile);
  await writeKubeconfig(admin, outside, layout.caFile);
  return admin;
}

/**
 * Returns the PID of the only child of the process. The child of `unshare` is PID 1 of the new namespace; `unshare`
 * itself is outside of it.
 */
async function childOf(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('pgrep', ['-P', String(pid)]);
  return Number(stdout.trim().split('\n')[0]);
}

async function untilNodeReady(
  layout: NodeLayout,
  { url, token }: { readonly url: string; readonly token: string },
  group: ProcessGroup,
): Promise<void> {
  const access = { url, caFile: layout.caFile, token };
  await untilReady({ access, paths: ['/readyz', `/api/v1/nodes/${NODE_NAME}`] }, group.components);
  for (;;) {
    const { body } = await apiGet(access, `/api/v1/nodes/${NODE_NAME}`);
    const { conditions = [] } = JSON.parse(body).status;
    if (conditions.some(({ type, status }: { type: string; status: string }) => type === 'Ready' && status === 'True'))
      return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
