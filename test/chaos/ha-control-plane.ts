import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import type { Component } from '../../tools/control-plane/component.ts';
import { apiServerArgs, etcdArgs, layoutOf } from '../../tools/control-plane/component-args.ts';
import type { ControlPlane } from '../../tools/control-plane/control-plane.ts';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { kubernetesVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { createProcessGroup, type ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { untilReady } from '../../tools/control-plane/readiness.ts';
import { tokenFile, type User, withToken, writeKubeconfig } from '../../tools/control-plane/users.ts';

/** A process that a test can restart on the same address, and stop and continue with signals. */
export interface Restartable {
  /** Path of the file with the output of the process, including restarts. */
  readonly logFile: string;
  /** Ends the process with the signal, waits for `whileDown` and starts it again. Resolves when it serves. */
  restart(signal: NodeJS.Signals, whileDown?: () => Promise<unknown>): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

export interface ApiServer extends Restartable, ControlPlane {
  readonly port: number;
}

export interface HaControlPlane {
  readonly etcd: Restartable;
  /** The data of etcd. It can be copied while etcd is down. */
  readonly etcdFolder: string;
  readonly servers: readonly ApiServer[];
  stop(): Promise<void>;
}

const READY = ['/readyz', '/api/v1/namespaces/default', '/api/v1/namespaces/kube-system'];
/** Compaction each 15 s, so that a watch that reconnects after a longer pause gets 410 Gone. */
const COMPACTION = '--etcd-compaction-interval=15s';

/**
 * Starts one etcd and `count` API servers on it. All of them present the same certificate and accept the same users.
 */
export async function startHaControlPlane(count: number, users: readonly User[]): Promise<HaControlPlane> {
  const binaries = await ensureBinaries(['etcd', 'kube-apiserver']);
  const version = await kubernetesVersion(binaries['kube-apiserver']);
  const group = await createProcessGroup();
  try {
    const layout = layoutOf(group.folder);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(layout.serviceAccountKeyFile, key, { mode: 0o600 });
    const admin = withToken({ name: 'control-plane-admin', groups: ['system:masters'] }, group.folder);
    const known = [admin, ...users.map((user) => withToken(user, group.folder))];
    await writeFile(layout.tokenFile, tokenFile(known), { mode: 0o600 });

    const etcd = await startRestartable(group, ['etcd', binaries.etcd, etcdArgs(layout)], async () => {});
    const servers: ApiServer[] = [];
    // The API servers start one after another, because the first creates the certificate that the others read.
    for (let nth = 0; nth < count; nth++) {
      const port = await freePort();
      const url = `https://127.0.0.1:${port}`;
      const own = known.map((user) => ({ ...user, kubeconfig: `${user.kubeconfig}-${nth}` }));
      for (const user of own) await writeKubeconfig(user, url, layout.caFile);
      const choices = { port, hasControllerManager: false, version, extraArgs: [COMPACTION] };
      const args = apiServerArgs(layout, choices);
      const access = { url, caFile: layout.caFile, token: admin.token };
      const ready = (component: Component) => untilReady({ access, paths: READY }, [component]);
      const itself = await startRestartable(group, [`kube-apiserver-${nth}`, binaries['kube-apiserver'], args], ready);
      const kubeconfigFor = (name: string) => own.find((user) => user.name === name)?.kubeconfig ?? '';
      const log = { 'kube-apiserver': itself.logFile };
      const paths = { caFile: layout.caFile, kubeconfig: kubeconfigFor(admin.name), kubeconfigFor, log };
      servers.push({ ...itself, ...paths, url, port, failed: group.failed, stop: group.stop });
    }
    return { etcd, etcdFolder: layout.etcdFolder, servers, stop: group.stop };
  } catch (error) {
    await group.stop();
    throw error;
  }
}

async function startRestartable(
  group: ProcessGroup,
  command: readonly [name: string, binary: string, args: readonly string[]],
  untilServing: (component: Component) => Promise<void>,
): Promise<Restartable> {
  const start = async () => {
    const started = await group.start(...command);
    await untilServing(started);
    return started;
  };
  let component = await start();
  return {
    logFile: component.log,
    async restart(signal, whileDown) {
      if (signal === 'SIGKILL') process.kill(component.pid, 'SIGKILL');
      await component.stop();
      await whileDown?.();
      component = await start();
    },
    signal(signal) {
      if (!component.hasEnded()) process.kill(component.pid, signal);
    },
  };
}
