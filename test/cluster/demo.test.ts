import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import { readGoModule } from '../../tools/control-plane/go-module.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

/** A fake `go` command. It cannot build setup-envtest, and its other builds never finish, to test the progress output. */
const GO = `#!/bin/sh
case "$*" in
  build*setup-envtest) echo "no network" >&2; exit 1 ;;
esac
case $1 in
  env) echo go99.0 ;;
  list) for n in 1 2 3; do echo "go: downloading example.com/module$n" >&2; echo "example.com/package$n"; done ;;
  build) while sleep 0.2; do echo "example.com/package" >&2; done ;;
esac
`;

/** The demo writes a line of progress at most every 20 s. */
const PROGRESS = { withinMs: 120_000 };

/** Starts the demo with an empty cache of control-plane binaries. Returns a function that returns its output so far. */
async function startDemo(t: TestContext, cache: string): Promise<() => string> {
  const folder = await aFolder(t, { go: GO });
  await chmod(join(folder, 'go'), 0o755);
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}`, XDG_CACHE_HOME: cache };
  const child = spawn(process.execPath, [projectFile('test/demo/main.ts')], {
    env: { ...env, KUBEBUILDER_ASSETS: '', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  return () => printed;
}

describe('npm run demo while the control plane is built', { concurrency: true }, () => {
  it('npm run demo prints why it builds the control plane, how long this takes, and its progress', async (t) => {
    const printed = await startDemo(t, await aFolder(t));
    for (const line of [
      /^etcd and kube-apiserver come from Go modules, because .* no network$/m,
      /^building etcd and kube-apiserver .* minutes on two cores/m,
      /^building, \d:\d\d min: \d+ of at most 3 packages compiled$/m,
    ]) {
      await eventually(() => assert.match(printed(), line), PROGRESS);
    }
  });

  it('npm run demo prints that it waits while another process builds the control plane', async (t) => {
    const cache = await aFolder(t);
    const { key } = await readGoModule();
    const building = join(cache, 'terraform-daemon/control-plane', key, 'building');
    await mkdir(building, { recursive: true });
    await writeFile(join(building, 'etcd'), '');
    // The demo takes over a folder that is unchanged for 20 s. On a busy machine the demo can start later than that.
    const later = new Date(Date.now() + 3_600_000);
    await utimes(building, later, later);
    const printed = await startDemo(t, cache);
    await eventually(
      () => assert.match(printed(), /^waiting \d+ s for another process that builds the same binaries$/m),
      PROGRESS,
    );
  });
});

it('npm run demo names KUBEBUILDER_ASSETS, its value and the missing binary if the folder lacks one', async (t) => {
  const folder = await aFolder(t, { etcd: '' });
  await chmod(join(folder, 'etcd'), 0o755);
  const demo = promisify(execFile)(process.execPath, [projectFile('test/demo/main.ts')], {
    env: { ...process.env, KUBEBUILDER_ASSETS: folder },
  });
  const { code, stdout } = await demo.then(
    () => assert.fail('it succeeds'),
    (error) => error,
  );
  assert.equal(code, 1);
  assert.equal(
    stdout.split('\n').at(-2),
    `KUBEBUILDER_ASSETS: invalid value "${folder}": must have the executables etcd, kube-apiserver: no kube-apiserver`,
  );
});

it('npm run demo -- --help prints its arguments and starts nothing', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [projectFile('test/demo/main.ts'), '--help']);
  assert.match(stdout, /^npm run demo \[-- --keep --with-controller\]\n/);
  assert.doesNotMatch(stdout, /control plane:/);
});

it('npm run demo -- --keep starts from KUBEBUILDER_ASSETS without Go, and its command inspect finds the daemon healthy', async (t) => {
  const { etcd } = await ensureBinaries(['etcd', 'kube-apiserver']);
  const folder = await aFolder(t, { go: '#!/bin/sh\ntouch "$0.called"\nexit 1\n' });
  await chmod(join(folder, 'go'), 0o755);
  const child = spawn(process.execPath, [projectFile('test/demo/main.ts'), '--keep'], {
    env: {
      ...process.env,
      KUBEBUILDER_ASSETS: dirname(etcd),
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      NO_COLOR: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await eventually(() => assert.match(printed, /^Ctrl-C ends it/m), { withinMs: 300_000 });
  assert.match(
    printed,
    /^etcd and kube-apiserver come from KUBEBUILDER_ASSETS, because .* \(etcd \d\S+, kube-apiserver \d\S+\)$/m,
  );
  assert.deepEqual(await readdir(folder), ['go']);
  const [, kubeconfig = ''] = /export KUBECONFIG=(\S+)/.exec(printed) ?? [];
  const [, args = ''] = /^ {2}terraform-daemon (inspect .*)$/m.exec(printed) ?? [];
  const { exitCode, stdout } = await spawnCommand([...args.split(' '), `--kubeconfig=${kubeconfig}`]);
  assert.equal(exitCode, 0, stdout);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
});
