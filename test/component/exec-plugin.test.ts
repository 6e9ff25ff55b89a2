import assert from 'node:assert/strict';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { aFolder } from '../support/builders/a-folder.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

/** Writes a kubeconfig with the exec plugin, which writes its process ID and then hangs. */
async function aHangingPlugin(t: TestContext, more: object = {}) {
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './plugin',
    interactiveMode: 'Never',
    ...more,
  };
  const kubeconfig = JSON.stringify({
    'current-context': 'here',
    clusters: [{ name: 'here', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    users: [{ name: 'me', user: { exec } }],
  });
  const lines = [
    '#!/bin/sh',
    'trap "" TERM', // a plugin can ignore SIGTERM
    'echo $$ >"$(dirname "$0")/pid"',
    '[ -z "$STOP_PARENT" ] || kill -TERM $PPID',
    '[ -z "$LEAVE_CHILD" ] || { sleep 60 2>/dev/null & exit 0; }', // the child keeps stdout open
    'while :; do sleep 1; done',
  ];
  const folder = await aFolder(t, { kubeconfig, plugin: lines.join('\n') });
  await chmod(join(folder, 'plugin'), 0o755);
  return {
    kubeconfig: `--kubeconfig=${join(folder, 'kubeconfig')}`,
    async assertEnded() {
      const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
      await eventually(() => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }));
    },
  };
}

describe('an exec plugin that hangs', { concurrency: true }, () => {
  test('inspect ends an exec plugin that hangs for 30 s and exits with code 1', async (t) => {
    const { kubeconfig, assertEnded } = await aHangingPlugin(t);
    const { exitCode, stdout, stderr } = await spawnCommand(['inspect', kubeconfig]);
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(
      stderr,
      /^terraform-daemon: KUBE_UNAVAILABLE: cannot read .*: exec plugin ".*\/plugin": no answer within 30 s\n$/,
    );
    await assertEnded();
  });

  test('SIGTERM ends the daemon and an exec plugin that hangs at once', async (t) => {
    const env = [{ name: 'STOP_PARENT', value: 'yes' }];
    const { kubeconfig, assertEnded } = await aHangingPlugin(t, { env });
    const ports = ['--webhook-bind-address=127.0.0.1', '--webhook-bind-port=0', '--metrics-bind-port=0'];
    const startMs = performance.now();
    const { exitCode, stdout, stderr } = await spawnCommand(['run', kubeconfig, ...ports]);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.match(stdout, /"message":"stopped"/);
    assert.ok(performance.now() - startMs < promisedMs(20_000));
    await assertEnded();
  });

  test('SIGTERM ends the daemon at once if a child of an exec plugin keeps the stdout of the plugin open', async (t) => {
    const env = ['STOP_PARENT', 'LEAVE_CHILD'].map((name) => ({ name, value: 'yes' }));
    const { kubeconfig } = await aHangingPlugin(t, { env });
    const ports = ['--webhook-bind-address=127.0.0.1', '--webhook-bind-port=0', '--metrics-bind-port=0'];
    const startMs = performance.now();
    const { exitCode, stdout } = await spawnCommand(['run', kubeconfig, ...ports]);
    assert.deepEqual([exitCode, stdout.includes('"message":"stopped"')], [0, true]);
    assert.ok(performance.now() - startMs < promisedMs(20_000));
  });

  test('a missing exec plugin is a usage error with its install hint', async (t) => {
    const { kubeconfig } = await aHangingPlugin(t, { command: 'no-such-plugin', installHint: 'brew install it' });
    const { exitCode, stdout, stderr } = await spawnCommand(['inspect', kubeconfig]);
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.match(
      stderr,
      /users\["me"\]\.user\.exec\.command: invalid value "no-such-plugin": must be .* \(brew install it\)$/m,
    );
  });
});
