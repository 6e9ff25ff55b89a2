import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { ensureBinaries } from './binaries.ts';
import { apiServerArgs, controllerManagerArgs, etcdArgs, type Layout, layoutOf } from './component-args.ts';
import { freePort } from './free-port.ts';
import { kubernetesVersion } from './kubernetes-version.ts';
import { createProcessGroup, type ProcessGroup } from './process-group.ts';
import type { Progress } from './progress.ts';
import { PortTakenError, untilReady } from './readiness.ts';
import { tokenFile, type User, type UserToken, withToken, writeKubeconfig } from './users.ts';

export type ComponentName = 'etcd' | 'kube-apiserver' | 'kube-controller-manager';

export interface StartOptions {
  /** Also start kube-controller-manager, which runs Jobs' controller, garbage collection and so on. Default: no. */
  readonly controllerManager?: boolean;
  /** Who gets a kubeconfig besides the admin. Named at the start, as the API server reads static tokens only then. */
  readonly users?: readonly User[];
  /** Further flags of kube-apiserver, e.g. `--v=4`; one of ours is overridden by giving it again. */
  readonly apiServerArgs?: readonly string[];
  /** Takes the progress of building the executables, when that is needed. Default: lines on stderr. */
  readonly progress?: Progress;
  /** Aborting it before the control plane is ready stops what has been started, and rejects. Unused later. */
  readonly signal?: AbortSignal;
}

export interface ControlPlane {
  readonly url: string;
  /** PEM file of the API server's certificate, for clients that do not take a kubeconfig. */
  readonly caFile: string;
  /** Path of a kubeconfig of the group `system:masters`. */
  readonly kubeconfig: string;
  /** Path of the kubeconfig of one of the `users` given at the start. Throws for any other name. */
  readonly kubeconfigFor: (name: string) => string;
  /** Path of each component's log, gone after `stop`. */
  readonly log: Readonly<Partial<Record<ComponentName, string>>>;
  /** Resolves when a component ends that nobody stopped; says which, how, and the last lines of its log. */
  readonly failed: Promise<string>;
  /** Resolves when all processes and the temporary folder are gone. Safe to call again. */
  readonly stop: () => Promise<void>;
}

/** Its name, and so its kubeconfig's, is one that no test would give a user of its own. */
const ADMIN: User = { name: 'control-plane-admin', groups: ['system:masters'] };
const CONTROLLER_MANAGER: User = { name: 'system:kube-controller-manager' }; // has a ClusterRole by default
const PORT_TRIES = 3;

/** `/readyz` includes the default ClusterRoles; the namespaces are made a moment later. */
const API_SERVER_READY = ['/readyz', '/api/v1/namespaces/default', '/api/v1/namespaces/kube-system'];
/** The first thing that shows its controllers work, and what a Pod there needs. */
const CONTROLLER_MANAGER_READY = ['/api/v1/namespaces/default/serviceaccounts/default'];

/**
 * Starts etcd and kube-apiserver on 127.0.0.1 and resolves when they serve: every start is a new, empty cluster.
 * Builds the executables first if need be. Nothing outlives this process, even if it is killed.
 */
export async function startControlPlane(options: StartOptions = {}): Promise<ControlPlane> {
  const optional = options.controllerManager ? (['kube-controller-manager'] as const) : [];
  const names = ['etcd', 'kube-apiserver', ...optional] as const;
  const binaries: Binaries = await ensureBinaries(names, options.progress, options.signal);
  for (let tries = 1; ; tries++) {
    const group = await createProcessGroup();
    try {
      return await startIn(group, binaries, options);
    } catch (error) {
      await group.stop();
      if (!(error instanceof PortTakenError) || tries === PORT_TRIES) throw error;
    }
  }
}

/** kube-controller-manager's is there when it is wanted. */
type Binaries = Readonly<
  Record<'etcd' | 'kube-apiserver', string> & Partial<Record<'kube-controller-manager', string>>
>;

async function startIn(group: ProcessGroup, binaries: Binaries, options: StartOptions): Promise<ControlPlane> {
  const { users = [], apiServerArgs: extraArgs = [], signal } = options;
  const controllerManager = binaries['kube-controller-manager'];
  const layout = layoutOf(group.folder);
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;

  const [admin, itself] = [withToken(ADMIN, group.folder), withToken(CONTROLLER_MANAGER, group.folder)];
  const others = users.map((user) => withToken(user, group.folder));
  await writeCredentials(layout, url, [admin, itself, ...others]);

  await group.start('etcd', binaries.etcd, etcdArgs(layout));
  const version = await kubernetesVersion(binaries['kube-apiserver']);
  const choices = { port, hasControllerManager: controllerManager !== undefined, version, extraArgs };
  await group.start('kube-apiserver', binaries['kube-apiserver'], apiServerArgs(layout, choices));
  const access = { url, caFile: layout.caFile, token: admin.token };
  await untilReady({ access, paths: API_SERVER_READY }, group.components, signal);
  if (controllerManager !== undefined) {
    await group.start('kube-controller-manager', controllerManager, controllerManagerArgs(layout, itself.kubeconfig));
    await untilReady({ access, paths: CONTROLLER_MANAGER_READY }, group.components, signal);
  }
  return {
    url,
    caFile: layout.caFile,
    kubeconfig: admin.kubeconfig,
    kubeconfigFor: (name) => {
      const user = others.find((other) => other.name === name);
      if (user === undefined) throw new Error(`${name} is not among the users that the control plane was started with`);
      return user.kubeconfig;
    },
    log: Object.fromEntries(group.components.map(({ name, log }) => [name, log])),
    failed: group.failed,
    stop: group.stop,
  };
}

async function writeCredentials(layout: Layout, url: string, users: readonly UserToken[]): Promise<void> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFile(layout.serviceAccountKeyFile, key, { mode: 0o600 });
  await writeFile(layout.tokenFile, tokenFile(users), { mode: 0o600 });
  for (const user of users) await writeKubeconfig(user, url, layout.caFile);
}
