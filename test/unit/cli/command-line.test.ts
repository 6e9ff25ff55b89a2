import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { environmentName, type OptionDefinition, optionNames, options } from '../../../src/cli/options.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { runCommand } from '../../support/cluster/command.ts';

/** A kubeconfig for an API server that is not there. */
async function aKubeconfig(t: TestContext, cluster: object = { server: 'https://127.0.0.1:1' }): Promise<string> {
  const kubeconfig = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'none', cluster }],
    contexts: [{ name: 'none', context: { cluster: 'none', user: 'nobody' } }],
    users: [{ name: 'nobody', user: {} }],
    'current-context': 'none',
  });
  return join(await aFolder(t, { kubeconfig }), 'kubeconfig');
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

// Each of these starts a process, and most of their time is spent on that.
describe('the command line', { concurrency: 3 }, () => {
  describe('--help', () => {
    test('has every option with its variable and its default, and ends with 0', async () => {
      const { exitCode, stdout, stderr } = await runCommand(['--help']);
      assert.deepEqual([exitCode, stderr], [0, '']);
      const entries = new Map(
        stdout.split(/\n(?= {2}--)/).map((entry) => [entry.trim().split(' ')[0], oneLine(entry)]),
      );
      for (const name of optionNames) {
        const { placeholder, default: value, defaultText }: OptionDefinition<unknown> = options[name];
        const entry = entries.get(`--${name}`) ?? '';
        assert.ok(entry.startsWith(`--${name} <${placeholder}> `), `${name}: ${entry}`);
        assert.ok(entry.includes(`env: ${environmentName(name)})`), `${name}: ${entry}`);
        const said = value === undefined ? defaultText : JSON.stringify(value);
        if (said !== undefined) assert.ok(entry.includes(`(default: ${said}`), `${name}: ${entry}`);
      }
    });

    test('is there for the run command as well', async () => {
      const { exitCode, stdout } = await runCommand(['run', '--help']);
      assert.equal(exitCode, 0);
      for (const name of optionNames) assert.ok(stdout.includes(`--${name} `), name);
    });
  });

  test('--version answers the version of the package, and ends with 0', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
    assert.deepEqual(await runCommand(['--version']), { exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });

  describe('a command line that cannot be understood ends with 2, and says where help is', () => {
    const cases = {
      'an unknown flag': [['--no-such-flag'], /unknown option '--no-such-flag'/],
      'a flag without its value': [['--service-port'], /'--service-port <port>' argument missing/],
      'a flag with a slip': [['--log-levle', 'info'], /^\(Did you mean --log-level\?\)$/m],
      'the same with its value behind it': [['--log-levle=info'], /^\(Did you mean --log-level\?\)$/m],
      'the same of a subcommand': [['inspect', '--namspace=a'], /^\(Did you mean --namespace\?\)$/m],
      'a slip that commander knows as well': [
        ['--polcy-file=x'],
        /'--polcy-file=x'\n\(Did you mean --policy-file\?\)\n\(--h/,
      ],
      'a slip in an option that only the subcommand has': [
        ['rotate', '--timout=5m'],
        /^\(Did you mean --timeout\?\)$/m,
      ],
      'an option of another command': [['policy', '--heal=off'], /'--heal=off'\n\(--help/],
      'an unknown command': [['xyz'], /^error: unknown command 'xyz'\n\(--help/m],
      'a command with a slip': [['inspct'], /^error: unknown command 'inspct'\n\(Did you mean inspect\?\)$/m],
      'a word too many': [['run', 'again'], /^error: too many arguments: 'again'$/m],
    } as const;
    for (const [what, [args, problem]] of Object.entries(cases)) {
      test(what, async () => {
        const { exitCode, stdout, stderr } = await runCommand(args);
        assert.deepEqual([exitCode, stdout], [2, '']);
        assert.match(stderr, problem);
        assert.match(stderr, /--help lists all options/);
      });
    }
  });

  describe('options that cannot be used end with 2', () => {
    test('and all problems are told at once', async () => {
      const args = ['run', '--key-size=1024', '--namespace=A', '--log-level', 'loud', '--kubeconfig=/no/such "file"'];
      const { exitCode, stdout, stderr } = await runCommand(args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.equal(
        stderr,
        `terraform-daemon: CONFIG_INVALID: these options cannot be used
  --namespace (TERRAFORM_DAEMON_NAMESPACE): found "A"; allowed is a DNS label: at most 63 of a-z, 0-9 and "-"
  --key-size (TERRAFORM_DAEMON_KEY_SIZE): found "1024"; allowed is 2048, 3072, 4096
  --log-level (TERRAFORM_DAEMON_LOG_LEVEL): found "loud"; allowed is error, warn, info, debug
  --kubeconfig (TERRAFORM_DAEMON_KUBECONFIG): found "/no/such \\"file\\"": ENOENT: no such file or directory, open '/no/such "file"'; allowed is a kubeconfig file with a current context
(--help lists all options)
`,
      );
    });

    const kubeconfigs: [what: string, cluster: object, problem: RegExp][] = [
      [
        'a server that is not asked by TLS',
        { server: 'http://127.0.0.1:8001' },
        /: found ".*": its server is "http:\/\/127\.0\.0\.1:8001"; allowed is an https URL$/m,
      ],
      ['a server that is no URL', { server: 'api server' }, /: its server is "api server"; allowed is an https URL$/m],
      [
        'a certificate authority that is not there',
        { server: 'https://127.0.0.1:1', 'certificate-authority': 'no-ca.pem' },
        /: ENOENT: .*no-ca\.pem'; allowed is a file that can be read$/m,
      ],
    ];
    for (const [what, cluster, problem] of kubeconfigs) {
      test(`also a kubeconfig with ${what}`, async (t) => {
        const { exitCode, stdout, stderr } = await runCommand([`--kubeconfig=${await aKubeconfig(t, cluster)}`]);
        assert.deepEqual([exitCode, stdout], [2, '']);
        assert.match(stderr, problem);
        assert.equal(stderr.trim().split('\n').length, 3);
      });
    }

    test('also a kubeconfig that is none, in one line', async (t) => {
      const folder = await aFolder(t, { kubeconfig: '{\n  a: [\n' });
      const { exitCode, stderr } = await runCommand([`--kubeconfig=${join(folder, 'kubeconfig')}`]);
      assert.equal(exitCode, 2);
      assert.equal(stderr.trim().split('\n').length, 3);
    });

    test('and of a kubeconfig that cannot be read never tells what is in it, as a token may be', async (t) => {
      const folder = await aFolder(t, { kubeconfig: 'users:\n- name: me\n  user: {token: "S3CRET\n' });
      const { exitCode, stderr } = await runCommand([`--kubeconfig=${join(folder, 'kubeconfig')}`]);
      assert.equal(exitCode, 2);
      assert.match(stderr, /--kubeconfig .*: deficient indentation \(4:1\); allowed is a kubeconfig file/);
      assert.doesNotMatch(stderr, /S3CRET/);
    });
  });

  describe('a reader that goes away', () => {
    test('in the middle of the help ends it quietly', async () => {
      const { stderr } = await runCommand(['--help'], { isUnread: true });
      assert.equal(stderr, '');
    });

    test('of the log stops the daemon as SIGTERM does', async (t) => {
      const flags = [`--kubeconfig=${await aKubeconfig(t)}`, '--webhook-bind-address=127.0.0.1'];
      const ports = ['--metrics-bind-port=0', '--webhook-bind-port=0'];
      assert.deepEqual(await runCommand([...flags, ...ports], { isUnread: true }), {
        exitCode: 0,
        stdout: '',
        stderr: '',
      });
    });
  });

  test('a flag wins over its variable, which wins over the default', async () => {
    const env = { TERRAFORM_DAEMON_SERVICE_PORT: '0', TERRAFORM_DAEMON_KEY_SIZE: '1', TERRAFORM_DAEMON_LOG_LEVEL: '' };
    const { exitCode, stderr } = await runCommand(['--service-port=8443'], { env });
    assert.equal(exitCode, 2);
    assert.match(stderr, /--key-size \(TERRAFORM_DAEMON_KEY_SIZE\): found "1"/);
    assert.doesNotMatch(stderr, /service-port|log-level/);
  });

  describe('a daemon that has started', () => {
    // The API server is not there: what is found out is found out before anything is asked or written.
    for (const [option, other] of [
      ['metrics-bind-port', 'webhook-bind-port'],
      ['webhook-bind-port', 'metrics-bind-port'],
    ] as const) {
      test(`ends with 1 where the port of --${option} is taken, before it issues anything, and logs why`, async (t) => {
        const taken = createServer().listen(0, '127.0.0.1');
        await once(taken, 'listening');
        t.after(() => taken.close());
        const { port } = taken.address() as AddressInfo;
        const flags = [`--kubeconfig=${await aKubeconfig(t)}`, '--webhook-bind-address=127.0.0.1', `--${other}=0`];
        const { exitCode, stdout, stderr } = await runCommand([...flags, `--${option}=${port}`], {
          stopAt: /"will try again"/,
        });
        assert.deepEqual([exitCode, stderr], [1, '']);
        const { level, message, code, error } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
        assert.deepEqual([level, message, code], ['error', 'cannot go on', 'SERVER_LISTEN_FAILED']);
        assert.ok(error.includes(`cannot listen on 127.0.0.1:${port} (--${option}, --webhook-bind-address): `), error);
      });
    }

    test('waits for an API server that is not there, and ends with 0 when it is asked to stop', async (t) => {
      const flags = [
        `--kubeconfig=${await aKubeconfig(t)}`,
        '--webhook-bind-address=127.0.0.1',
        '--metrics-bind-port=0',
      ];
      const { exitCode, stdout } = await runCommand(flags, { stopAt: /"will try again"/ });
      const messages = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).message);
      assert.deepEqual([exitCode, messages.at(0), messages.at(-1)], [0, 'starting', 'stopped']);
    });
  });
});
