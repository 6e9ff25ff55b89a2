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
  /** Whether to start kube-controller-manager too (Job controller, garbage collection and others). Default: no. */
  readonly controllerManager?: boolean;
  /** Users that get a kubeconfig besides the admin. The API server reads static tokens only at its start. */
  readonly users?: readonly User[];
  /** Further flags of kube-apiserver, e.g. `--v=4`. They override the default flags. */
  readonly apiServerArgs?: readonly string[];
  /** Receives the progress if binaries must be built. Default: lines on stderr. */
  readonly progress?: Progress;
  /** An abort before the control plane is ready stops the started components and rejects the call. */
  readonly signal?: AbortSignal;
}

export interface ControlPlane {
  readonly url: string;
  /** PEM file with the API server's own certificate, which clients without a kubeconfig must trust as CA. */
  readonly caFile: string;
  /** Path of the kubeconfig of a user in the group `system:masters`. */
  readonly kubeconfig: string;
  /** Returns the path of the kubeconfig of one of `StartOptions.users`. Throws for any other name. */
  readonly kubeconfigFor: (name: string) => string;
  /** Path of the log of each component. `stop` removes the files. */
  readonly log: Readonly<Partial<Record<ComponentName, string>>>;
  /** Resolves if a component ends before `stop`, with its name, how it ended and the last lines of its log. */
  readonly failed: Promise<string>;
  /** Stops all processes and removes the temporary folder. Safe to call again. */
  readonly stop: () => Promise<void>;
}

/**
 * The user with all rights. The kubeconfig file of each user is named after the user, so no test can use this name for
 * another user.
 */
const ADMIN: User = { name: 'control-plane-admin', groups: ['system:masters'] };
// The user of kube-controller-manager. Kubernetes grants rights to this name by a default ClusterRole.
const CONTROLLER_MANAGER: User = { name: 'system:kube-controller-manager' };
const PORT_TRIES = 3;

/** `/readyz` waits for the default ClusterRoles, but not for the default namespaces. */
const API_SERVER_READY = ['/readyz', '/api/v1/namespaces/default', '/api/v1/namespaces/kube-system'];
/** The default service account exists once the controllers run, and a Pod needs it. */
const CONTROLLER_MANAGER_READY = ['/api/v1/namespaces/default/serviceaccounts/default'];

/**
 * Starts etcd and kube-apiserver on 127.0.0.1, and resolves when both serve. Each call starts a new, empty cluster.
 * Missing binaries are built first. When this process ends, even by SIGKILL, the components are killed.
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

/** The paths of the executables. The path of kube-controller-manager is absent if that component is not started. */
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
      if (user === undefined)
        throw new Error(`unknown user ${JSON.stringify(name)}; the control plane was started without this user`);
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
