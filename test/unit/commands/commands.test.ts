import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hostAndPort } from '../../../src/cli/option-parsers.ts';
import { subcommands } from '../../../src/commands/subcommands.ts';
import { aKubeconfig } from '../../support/builders/a-kubeconfig.ts';
import { callCommand } from '../../support/command-in-process.ts';

describe('the subcommands', () => {
  const { subcommands: nested } = subcommands.applies;
  for (const [name, { shared, own }] of Object.entries({ ...subcommands, 'applies retry': nested.retry })) {
    test(`${name} --help lists each option and the exit codes`, async () => {
      const { exitCode, stdout, stderr } = await callCommand([...name.split(' '), '--help']);
      assert.deepEqual([exitCode, stderr], [0, '']);
      const text = stdout.replaceAll(/\s+/g, ' ');
      for (const option of shared) {
        assert.ok(text.includes(` --${option} <`), option);
      }
      assert.match(text, /Each option of run has an environment variable: TERRAFORM_DAEMON_ plus its name/);
      for (const { flags } of own) assert.ok(text.includes(flags), flags);
      assert.match(text, /Exit code: 0 .* 2 usage error/);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
    });
  }

  test('--help lists each subcommand', async () => {
    const { stdout } = await callCommand(['--help']);
    for (const name of ['run', ...Object.keys(subcommands)])
      assert.match(stdout, new RegExp(`\n {2}${name} \\[options\\] `));
  });

  const wrong: Readonly<Record<string, readonly [readonly string[], RegExp]>> = {
    'an unknown output format': [['inspect', '-o', 'yaml'], /Must be one of text, json, html\./],
    'an address without a port': [['inspect', '--address=host'], /Must be <host>:<port>/],
    'an additional argument': [['inspect', 'again'], /too many arguments/],
    'an unknown API version': [['policy', '--api-version=v2'], /Must be one of v1, v1beta1\./],
    'a missing policy file': [['policy', '--policy-file=/no/file'], /--policy-file .*"\/no\/file": ENOENT/],
    'a flag of another command': [['inspect', '--drain-time=5s'], /unknown option '--drain-time/],
    'an invalid namespace': [
      ['inspect', '--namespace=A'],
      /--namespace \(TERRAFORM_DAEMON_NAMESPACE\): invalid value "A"/,
    ],
    'a missing kubeconfig': [['inspect', '--kubeconfig=/no/file'], /--kubeconfig .*ENOENT: .*'\/no\/file'/],
    'a timeout of 0s': [['rotate', '--timeout=0s'], /Must be a duration/],
    'an argument instead of a flag': [['rotate', 'ca'], /too many arguments/],
    'a missing Configuration': [['applies', 'retry'], /missing required argument/],
    'a Configuration without a namespace': [
      ['applies', 'retry', 'oss-bucket', '--yes'],
      /Must be <namespace>\/<configuration>, such as team-a\/oss-bucket\./,
    ],
    'an unknown nested command': [['applies', 'again'], /too many arguments/],
    'an option of the outer command after the nested one': [['applies', 'retry', 'a/b', '-A'], /unknown option '-A'/],
    'a missing kubeconfig for applies retry': [
      ['applies', 'retry', 'a/b', '--kubeconfig=/no/file'],
      /ENOENT: .*'\/no\/file'/,
    ],
    'a missing kubeconfig for rotate': [['rotate', '--kubeconfig=/no/file'], /ENOENT: .*'\/no\/file'/],
  };
  for (const [what, [args, problem]] of Object.entries(wrong)) {
    test(`a subcommand with ${what} exits with code 2`, async () => {
      const { exitCode, stdout, stderr } = await callCommand(args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.match(stderr, problem);
      assert.match(stderr, /--help lists all options/);
    });
  }

  test('the subcommand rotate reads the environment variables of run', async () => {
    const env = { TERRAFORM_DAEMON_SETTLE_TIME: '0s', TERRAFORM_DAEMON_DRAIN_TIME: 'not looked at' };
    const { exitCode, stderr } = await callCommand(['rotate'], env);
    assert.equal(exitCode, 2);
    assert.match(stderr, /--settle-time/);
    assert.doesNotMatch(stderr, /drain-time/);
  });

  const calling = Object.entries(subcommands).filter(([, { shared }]) => shared.some((name) => name === 'kubeconfig'));
  for (const [name] of calling) {
    // A check of the API server is the first check of `check`.
    if (name === 'check') continue;
    test(`${name} exits with code 1 and one line if the API server is unavailable`, async (t) => {
      const { exitCode, stdout, stderr } = await callCommand([name, `--kubeconfig=${await aKubeconfig(t)}`]);
      assert.deepEqual([exitCode, stdout], [1, '']);
      assert.match(stderr, /^terraform-daemon: KUBE_UNAVAILABLE: cannot read .*\n$/);
    });
  }
});

test('inspect --address must be a host and a port', () => {
  const good = { 'a.b:443': ['a.b', 443], '127.0.0.1:1': ['127.0.0.1', 1], '[::1]:65535': ['::1', 65535] };
  for (const [text, [host, port]] of Object.entries(good)) {
    assert.deepEqual(hostAndPort(text), { value: { host, port } });
  }
  for (const text of ['', 'a', ':443', 'a:', 'a:0', 'a:65536', '::1:443', 'https://a:443', 'a b:443', 'a:443/']) {
    assert.ok('allowed' in hostAndPort(text), text);
  }
});
