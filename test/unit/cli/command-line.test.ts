import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type OptionDefinition, oftenChanged, optionNames, options } from '../../../src/cli/options.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { aKubeconfig } from '../../support/builders/a-kubeconfig.ts';
import { callCommand } from '../../support/command-in-process.ts';

type Option = OptionDefinition<unknown>;

/** The tests run outside of a Pod. test/component/command.test.ts has the case in a Pod. */
const NO_COMMAND = /^error: outside of a Pod, a command must come first: terraform-daemon check checks the installed/m;

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

describe('the command line', () => {
  describe('--help', () => {
    test('terraform-daemon --help lists each option with its default, gives the form of the environment variables of options, and exits with code 0', async () => {
      const { exitCode, stdout, stderr } = await callCommand(['--help']);
      assert.deepEqual([exitCode, stderr], [0, '']);
      const entries = new Map(
        stdout.split(/\n(?= {2}--|\n)/).map((entry) => [entry.trim().split(' ')[0], oneLine(entry)]),
      );
      for (const name of optionNames) {
        const { placeholder, description, default: value, defaultText = value }: Option = options[name];
        const shown = defaultText === undefined ? '' : ` (default: ${defaultText})`;
        assert.equal(entries.get(`--${name}`), `--${name} <${placeholder}> ${description}${shown}`);
      }
      assert.match(oneLine(stdout), /Each option of run has an environment variable: TERRAFORM_DAEMON_ plus its name/);
    });

    test('terraform-daemon --help has no line over 100 columns, and only the option webhook-configuration-name has a second line', async () => {
      const { stdout } = await callCommand(['--help']);
      const lines = stdout.split('\n');
      for (const line of lines) assert.ok(line.length <= 100, line);
      const wrapped = optionNames.filter((name) => {
        const next = lines[lines.findIndex((line) => line.startsWith(`  --${name} `)) + 1] ?? '';
        return next.startsWith('   ');
      });
      assert.deepEqual(wrapped, ['webhook-configuration-name']);
    });

    test('terraform-daemon --help names the options that users change most before the list', async () => {
      const { stdout } = await callCommand(['--help']);
      const [before = ''] = stdout.split('--kubeconfig');
      for (const name of oftenChanged) assert.ok(before.includes(`--${name}`), name);
    });

    test('terraform-daemon run --help lists every option', async () => {
      const { exitCode, stdout } = await callCommand(['run', '--help']);
      assert.equal(exitCode, 0);
      for (const name of optionNames) assert.ok(stdout.includes(`--${name} `), name);
    });
  });

  describe('an invalid command line', () => {
    const cases = {
      'an unknown flag': [['run', '--no-such-flag'], /unknown option '--no-such-flag'/],
      'a flag without its value': [['run', '--service-port'], /'--service-port <port>' argument missing/],
      'a mistyped flag': [['run', '--log-levle', 'info'], /^\(Did you mean --log-level\?\)$/m],
      'a mistyped flag with =value': [
        ['run', '--polcy-file=x'],
        /'--polcy-file=x'\n\(Did you mean --policy-file\?\)\n\(--h/,
      ],
      'a mistyped flag of a subcommand': [['rotate', '--timout', '5m'], /^\(Did you mean --timeout\?\)$/m],
      'a flag of another command': [['policy', '--heal=off'], /'--heal=off'\n\(--help/],
      'an unknown command': [['xyz'], /^error: unknown command 'xyz'\n\(--help/m],
      'help and an unknown command': [['help', 'xyz'], /^error: unknown command 'xyz'\n\(--help/m],
      'a mistyped command': [['inspct'], /^error: unknown command 'inspct'\n\(Did you mean inspect\?\)$/m],
      'no command': [[], NO_COMMAND],
      'a flag and no command': [['--namespace=a'], NO_COMMAND],
      'a command after a flag': [['--namespace=a', 'inspect'], NO_COMMAND],
      'an additional argument': [
        ['run', 'again'],
        /^error: too many arguments for 'run'\. Expected 0 arguments but got 1: again\.$/m,
      ],
    } as const;
    for (const [what, [args, problem]] of Object.entries(cases)) {
      test(`the command line with ${what} exits with code 2 and names --help`, async () => {
        const { exitCode, stdout, stderr } = await callCommand(args);
        assert.deepEqual([exitCode, stdout], [2, '']);
        assert.match(stderr, problem);
        assert.match(stderr, /--help lists all options/);
      });
    }
  });

  describe('invalid options', () => {
    test('all invalid options are reported in one error with exit code 2', async () => {
      const args = ['run', '--key-size=1024', '--namespace=A', '--log-level', 'loud', '--kubeconfig=/no/such "file"'];
      const { exitCode, stdout, stderr } = await callCommand(args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.equal(
        stderr,
        `terraform-daemon: CONFIG_INVALID: invalid options
  --namespace (TERRAFORM_DAEMON_NAMESPACE): invalid value "A": must be a DNS label: at most 63 of a-z, 0-9 and "-"
  --key-size (TERRAFORM_DAEMON_KEY_SIZE): invalid value "1024": must be one of 2048, 3072, 4096
  --log-level (TERRAFORM_DAEMON_LOG_LEVEL): invalid value "loud": must be one of error, warn, info, debug
  --kubeconfig (TERRAFORM_DAEMON_KUBECONFIG): ENOENT: no such file or directory, open '/no/such "file"': must be a readable kubeconfig file
(--help lists all options)
`,
      );
    });

    const kubeconfigs: [what: string, cluster: object, problem: RegExp][] = [
      [
        'a server URL without TLS',
        { server: 'http://127.0.0.1:8001' },
        /kubeconfig: clusters\["none"\]\.cluster\.server: invalid value "http:\/\/127\.0\.0\.1:8001": must be an https URL$/m,
      ],
      [
        'a server that is no URL',
        { server: 'api server' },
        /\.server: invalid value "api server": must be an https URL$/m,
      ],
      [
        'a missing certificate-authority file',
        { server: 'https://127.0.0.1:1', 'certificate-authority': 'no-ca.pem' },
        /: ENOENT: .*no-ca\.pem': must be a readable file$/m,
      ],
    ];
    for (const [what, cluster, problem] of kubeconfigs) {
      test(`a kubeconfig with ${what} is reported in one error with the other invalid options`, async (t) => {
        const { exitCode, stdout, stderr } = await callCommand([
          'run',
          `--kubeconfig=${await aKubeconfig(t, cluster)}`,
        ]);
        assert.deepEqual([exitCode, stdout], [2, '']);
        assert.match(stderr, problem);
        assert.equal(stderr.trim().split('\n').length, 3);
      });
    }

    test('a file that is not a kubeconfig is reported in one line', async (t) => {
      const folder = await aFolder(t, { kubeconfig: '{\n  a: [\n' });
      const { exitCode, stderr } = await callCommand(['run', `--kubeconfig=${join(folder, 'kubeconfig')}`]);
      assert.equal(exitCode, 2);
      assert.equal(stderr.trim().split('\n').length, 3);
    });

    test('the error about an unreadable kubeconfig shows none of its content', async (t) => {
      const folder = await aFolder(t, { kubeconfig: 'users:\n- name: me\n  user: {token: "S3CRET\n' });
      const { exitCode, stderr } = await callCommand(['run', `--kubeconfig=${join(folder, 'kubeconfig')}`]);
      assert.equal(exitCode, 2);
      assert.match(stderr, /--kubeconfig .*\/kubeconfig: line 4: must be valid YAML$/m);
      assert.doesNotMatch(stderr, /S3CRET/);
    });
  });

  test('a flag overrides its variable, and the variable overrides the default', async () => {
    const env = { TERRAFORM_DAEMON_SERVICE_PORT: '0', TERRAFORM_DAEMON_KEY_SIZE: '1', TERRAFORM_DAEMON_LOG_LEVEL: '' };
    const { exitCode, stderr } = await callCommand(['run', '--service-port=8443'], env);
    assert.equal(exitCode, 2);
    assert.match(stderr, /--key-size \(TERRAFORM_DAEMON_KEY_SIZE\): invalid value "1"/);
    assert.doesNotMatch(stderr, /service-port|log-level/);
  });
});
