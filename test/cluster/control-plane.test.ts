import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type ControlPlane, startControlPlane } from '../../tools/control-plane/control-plane.ts';
import { readGoModule } from '../../tools/control-plane/go-module.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { eventually, promptly } from '../support/eventually.ts';

const MAIN = join(import.meta.dirname, '../../tools/control-plane/main.ts');
const SERVICE_ACCOUNT = 'system:serviceaccount:some-namespace:some-account';

describe('the control plane of the tests', () => {
  let controlPlane: ControlPlane;

  before(async () => {
    controlPlane = await startControlPlane({ users: [{ name: 'nobody' }, { name: SERVICE_ACCOUNT }] });
  });
  after(() => controlPlane?.stop());

  const notOurs = process.env.KUBEBUILDER_ASSETS !== undefined && 'KUBEBUILDER_ASSETS may have another version';
  test('the control plane of the tests has the Kubernetes version of its go.mod', { skip: notOurs }, async () => {
    const { kubernetesVersion } = await readGoModule();
    assert.equal(await serverVersion(controlPlane.kubeconfig), kubernetesVersion);
  });

  test('in the control plane of the tests the admin can list Secrets, and a user without rights cannot', async () => {
    const getSecrets = ['get', 'secrets', '--namespace=kube-system', '--output=name'];
    await kubectl(controlPlane.kubeconfig, getSecrets);
    await assert.rejects(kubectl(controlPlane.kubeconfigFor('nobody'), getSecrets), /User "nobody" cannot list/);
  });

  test('a token for a ServiceAccount on the control plane of the tests has the groups of a ServiceAccount', async () => {
    const answer = await kubectl(controlPlane.kubeconfigFor(SERVICE_ACCOUNT), ['auth', 'whoami', '--output=json']);
    const { username, groups } = JSON.parse(answer).status.userInfo;
    assert.equal(username, SERVICE_ACCOUNT);
    assert.deepEqual(groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:some-namespace',
      'system:authenticated',
    ]);
  });

  test('the control plane of the tests throws if the kubeconfig of an unknown user is requested', () => {
    assert.throws(() => controlPlane.kubeconfigFor('unknown-user'), /unknown user "unknown-user"/);
  });

  test('after its stop, even called twice, the control plane of the tests leaves no process and no folder', async () => {
    const folder = dirname(controlPlane.kubeconfig);
    assert.notDeepEqual(await processesOf(folder), []);
    await Promise.all([controlPlane.stop(), controlPlane.stop()]);
    assert.deepEqual(await processesOf(folder), []);
    assert.equal(existsSync(folder), false);
  });
});

test('if the control plane of the tests cannot start, the error has the last lines of its log', async () => {
  const start = startControlPlane({ apiServerArgs: ['--no-such-flag'] });
  await assert.rejects(
    start,
    /^Error: kube-apiserver ended at its start \(exit code 1\).*unknown flag: --no-such-flag/s,
  );
});

describe('npm run control-plane', () => {
  test('npm run control-plane prints a working kubeconfig, and stops all its processes on SIGINT', async (t) => {
    const command = startCommand();
    t.after(() => command.kill('SIGKILL'));
    const kubeconfig = await printedKubeconfig(command);
    assert.match(await serverVersion(kubeconfig), /^v1\./);

    const exited = once(command, 'exit');
    command.kill('SIGINT');
    assert.deepEqual(await promptly(exited), [0, null]);
    assert.deepEqual(await processesOf(dirname(kubeconfig)), []);
    assert.equal(existsSync(dirname(kubeconfig)), false);
  });

  test('npm run control-plane leaves no process and no folder after SIGKILL', async (t) => {
    const command = startCommand();
    t.after(() => command.kill('SIGKILL'));
    const folder = dirname(await printedKubeconfig(command));
    command.kill('SIGKILL');
    await eventually(async () => {
      assert.equal(existsSync(folder), false);
      assert.deepEqual(await processesOf(folder), []);
    });
  });

  test('npm run control-plane names the required Go version if Go is missing', async (t) => {
    const emptyFolder = await mkdtemp(join(tmpdir(), 'no-go-'));
    t.after(() => rm(emptyFolder, { recursive: true }));
    const env = { HOME: emptyFolder, PATH: emptyFolder, XDG_CACHE_HOME: emptyFolder };
    const command = promisify(execFile)(process.execPath, [MAIN], { env });
    const { code, stdout, stderr } = await command.then(
      () => assert.fail('it succeeds'),
      (error) => error,
    );
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
    assert.match(stderr, /PATH has no "go"\. Install Go \d\S* or newer to build .*, or set KUBEBUILDER_ASSETS/);
    assert.doesNotMatch(stderr, /^\s+at /m, 'has no stack trace');
  });
});

async function serverVersion(kubeconfig: string): Promise<string> {
  return JSON.parse(await kubectl(kubeconfig, ['version', '--output=json'])).serverVersion.gitVersion;
}

function startCommand(): ChildProcess {
  return spawn(process.execPath, [MAIN], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function printedKubeconfig({ stdout }: ChildProcess): Promise<string> {
  assert.ok(stdout !== null);
  for await (const line of createInterface({ input: stdout })) {
    const path = /^export KUBECONFIG=(.+)$/.exec(line)?.[1];
    assert.ok(path !== undefined, `not a line for the shell: ${line}`);
    return path;
  }
  assert.fail('the command ended without a kubeconfig');
}

/** Returns the command lines of all running processes that contain the path of the folder. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args=']);
  return stdout.split('\n').filter((line) => line.includes(folder));
}
