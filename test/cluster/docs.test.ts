import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { BUNDLE, type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { blocksRunBy, projectFile } from '../support/docs.ts';

const run = promisify(execFile);

/** A short settle time, because commands of the documents request rotations and wait for their end. */
const FLAGS = ['--settle-time=1s'];

describe('the shell commands of the documents on a control plane with a daemon', async () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let folder: string;
  let env: NodeJS.ProcessEnv;

  const start = async (options: { readonly port?: number } = {}) => {
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: FLAGS, ...options });
    await daemon.line('ready');
  };

  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-docs-'));
    await symlink((await ensureBinaries(['kubectl'])).kubectl, join(folder, 'kubectl'));
    await start();
    // A `terraform-daemon` command on the PATH, with the options of the running daemon. A check fails if its dry run takes
    // longer than 1.5 s, which can happen on a shared machine, so it is repeated.
    const command = join(folder, 'terraform-daemon');
    const options = `export TERRAFORM_DAEMON_SERVICE_PORT=${daemon.port} TERRAFORM_DAEMON_SETTLE_TIME=1s`;
    const repeat = '[ "$1" != check ] || set -- "$@" --wait=2m';
    await writeFile(command, `#!/bin/sh\n${options}\n${repeat}\nexec ${process.execPath} ${BUNDLE} "$@"\n`);
    await chmod(command, 0o755);
    const path = `${folder}${delimiter}${process.env.PATH}`;
    env = {
      ...process.env,
      PATH: path,
      KUBECONFIG: cluster.kubeconfig,
      KUBERC: 'off',
      KUBECACHEDIR: join(folder, 'cache'),
    };
  });
  // The manifests are installed again before each test, because one of the tested command blocks uninstalls them.
  beforeEach(() => kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]));
  after(async () => {
    await daemon?.stop();
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const { file, line, commands } of await blocksRunBy('cluster')) {
    it(`the commands in ${file}, line ${line}, exit with code 0`, async (t) => {
      // docs/how-to/uninstall.md says to delete the Deployment before these commands. This test has no Deployment, so
      // it stops its daemon instead.
      const isByHand = commands.includes('kubectl delete mutatingwebhookconfiguration');
      if (isByHand) await daemon.stop();
      const { stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', commands], {
        cwd: projectFile('.'),
        env,
      });
      t.diagnostic(`${stdout}${stderr}`.slice(0, 200));
      if (isByHand) await start({ port: daemon.port });
    });
  }

  it('more than ten shell blocks of the documents are run against a control plane with a daemon', async () =>
    assert.ok((await blocksRunBy('cluster')).length > 10));
});
