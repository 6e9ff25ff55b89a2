import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { aKubeconfig } from '../support/builders/a-kubeconfig.ts';
import { spawnCommand, terminalCommand } from '../support/cluster/command.ts';
import { projectFile } from '../support/docs.ts';

const OWN_MOUNTS = ['--map-root-user', '--mount'];
const noMounts =
  spawnSync('unshare', [...OWN_MOUNTS, 'true']).status !== 0 &&
  'needs unshare (util-linux) and leave to make namespaces; CI has them';

// Each of these tests starts the daemon as a process. test/unit/cli and test/unit/commands call the command line
// within the test process.
describe('the command terraform-daemon as a process', { concurrency: 3 }, () => {
  test('--version prints the version of the package and exits with code 0', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    assert.deepEqual(await spawnCommand(['--version']), { exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('a usage error is printed to stderr and exits with code 2', async () => {
    const { exitCode, stdout, stderr } = await spawnCommand(['rotate', '--kubeconfig=/no/file']);
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.match(stderr, /--kubeconfig .*ENOENT: .*'\/no\/file'/);
  });

  test('check prints colours on a terminal, and none to a pipe, with NO_COLOR, or on a terminal that has none', async (t) => {
    const args = ['check', `--kubeconfig=${await aKubeconfig(t)}`];
    const { exitCode, received, screen } = await terminalCommand(args, { columns: 72 });
    assert.equal(exitCode, 1);
    assert.ok(received.startsWith('\u001b[31m✗\u001b[39m api-server '), received);
    assert.ok(received.includes(`\n\u001b[2m${' '.repeat(15)}kubectl cluster-info\u001b[22m\r\n`), received);
    assert.ok(received.includes('verdict: \u001b[31mfailed\u001b[39m: '), received);
    for (const line of screen) assert.ok(line.length <= 72, line);
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const plain = await terminalCommand(args, { columns: 72, env });
      assert.deepEqual([plain.screen, plain.received.includes('\u001b')], [screen, false]);
    }
    const forced = await spawnCommand(args, { env: { FORCE_COLOR: '1' } });
    assert.ok(forced.stdout.includes('verdict: \u001b[31mfailed'), forced.stdout);
    assert.match((await spawnCommand(args)).stdout, /^✗ api-server /);
  });

  test('in a Pod, arguments without a command start the daemon', { skip: noMounts }, async () => {
    // The file that each Pod with a service account has. An invalid option ends the daemon at once.
    const folder = '/run/secrets/kubernetes.io/serviceaccount';
    const setUp = `mount -t tmpfs none /run && mkdir -p ${folder} && echo team-a > ${folder}/namespace && exec "$@"`;
    const command = [process.execPath, projectFile('src/main.ts'), '--log-level=loud'];
    const args = [...OWN_MOUNTS, 'sh', '-ec', setUp, 'sh', ...command];
    await assert.rejects(promisify(execFile)('unshare', args), {
      code: 2,
      stderr: /^terraform-daemon: CONFIG_INVALID: invalid options\n {2}--log-level /,
    });
  });

  describe('a reader that closes the pipe', () => {
    test('--help exits without an error if the reader closes the pipe', async () => {
      const { stderr } = await spawnCommand(['--help'], { isUnread: true });
      assert.equal(stderr, '');
    });

    test('if the reader of the log closes the pipe, the daemon stops as after SIGTERM', async (t) => {
      const flags = ['run', `--kubeconfig=${await aKubeconfig(t)}`, '--webhook-bind-address=127.0.0.1'];
      const ports = ['--metrics-bind-port=0', '--webhook-bind-port=0'];
      assert.deepEqual(await spawnCommand([...flags, ...ports], { isUnread: true }), {
        exitCode: 0,
        stdout: '',
        stderr: '',
      });
    });
  });

  describe('a starting daemon', () => {
    // No API server is available, so the daemon must find the port in use before its first API call.
    for (const [option, other] of [
      ['metrics-bind-port', 'webhook-bind-port'],
      ['webhook-bind-port', 'metrics-bind-port'],
    ] as const) {
      test(`a daemon whose port of --${option} is in use logs it and exits with code 1 before it calls the API server`, async (t) => {
        const taken = createServer().listen(0, '127.0.0.1');
        await once(taken, 'listening');
        t.after(() => taken.close());
        const { port } = taken.address() as AddressInfo;
        const flags = [
          'run',
          `--kubeconfig=${await aKubeconfig(t)}`,
          '--webhook-bind-address=127.0.0.1',
          `--${other}=0`,
        ];
        const { exitCode, stdout, stderr } = await spawnCommand([...flags, `--${option}=${port}`], {
          stopAt: /"reconcile failed, will try again"/,
        });
        assert.deepEqual([exitCode, stderr], [1, '']);
        const { level, message, code, error } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
        assert.deepEqual([level, message, code], ['error', 'exiting on fatal error', 'SERVER_LISTEN_FAILED']);
        assert.ok(error.startsWith(`cannot listen (--${option}, --webhook-bind-address): `), error);
        assert.ok(error.endsWith(` 127.0.0.1:${port}`), error);
      });
    }

    test('a daemon that waits for an API server exits with code 0 on SIGTERM', async (t) => {
      const flags = [
        'run',
        `--kubeconfig=${await aKubeconfig(t)}`,
        '--webhook-bind-address=127.0.0.1',
        '--webhook-bind-port=0',
        '--metrics-bind-port=0',
      ];
      const { exitCode, stdout } = await spawnCommand(flags, { stopAt: /"reconcile failed, will try again"/ });
      const messages = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).message);
      assert.deepEqual([exitCode, messages.at(0), messages.at(-1)], [0, 'starting', 'stopped']);
    });
  });
});
