import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { type Cluster, NAMESPACE, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { spawnCommand, terminalCommand } from '../support/cluster/command.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

describe('terraform-daemon rotate', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster?.stop());
  afterEach(async () => {
    await daemon.stop();
    await cluster.forgetDaemon();
  });

  async function start(settleTime = '1s'): Promise<void> {
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: [`--settle-time=${settleTime}`] });
    await daemon.line('ready');
  }
  const rotate = (...args: readonly string[]) =>
    spawnCommand(['rotate', `--kubeconfig=${cluster.daemonKubeconfig}`, '--settle-time=1s', ...args]);
  const annotation = async (name: string) =>
    (await cluster.secret())?.metadata?.annotations?.[`terraform.job.kb.io/${name}`];
  const fingerprints = () => Promise.all(['serving', 'ca'].map((part) => annotation(`${part}-fingerprint-sha256`)));

  async function annotate(annotations: Record<string, string | null>): Promise<void> {
    const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const body = { metadata: { annotations } };
    await cluster.core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body }, options);
  }

  it('the command rotate works with the rights of the daemon and renews the serving certificate', async () => {
    await start();
    const before = await fingerprints();
    const { exitCode, stdout, stderr } = await rotate();
    assert.deepEqual([exitCode, stderr], [0, ''], stdout);
    const [serving, ca] = await fingerprints();
    assert.notEqual(serving, before[0]);
    assert.equal(ca, before[1]);
    assert.match(stdout, /^requested a new serving certificate\n(.*\n)*done\n/);
    assert.ok(stdout.includes(`serving certificate: SHA-256 ${serving}, until `), stdout);
    assert.equal(await annotation('rotate'), undefined);
  });

  it('rotate names the registered namespace if the namespace is mistyped, and proposes to start no daemon', async () => {
    await start();
    const mistyped = ['rotate', `--kubeconfig=${cluster.kubeconfig}`, '--namespace=velasystem'];
    const { exitCode, stdout } = await spawnCommand(mistyped);
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /Secret velasystem\/\S+ does not exist: the API server calls Service vela-system\/\S+: set --namespace vela-system\./,
    );
    assert.doesNotMatch(stdout, /terraform-daemon run/);
  });

  it('rotate --ca rotates the CA and prints each phase', async () => {
    // Much longer than the pause between two polls of the command, so that a slow command sees a phase too.
    await start('4s');
    const before = await fingerprints();
    const { exitCode, stdout } = await rotate('--ca', '--settle-time=4s');
    assert.equal(exitCode, 0, stdout);
    const after = await fingerprints();
    for (const [index, fingerprint] of after.entries()) assert.notEqual(fingerprint, before[index]);
    assert.match(stdout, /^requested a new CA\n/);
    assert.match(stdout, /\n(publishing|settling|retiring): waits for /);
    assert.match(stdout, /\nstable\ndone\n/);
    assert.ok(stdout.includes(`certificate authority: SHA-256 ${after[1]}, until `), stdout);
    assert.equal(await annotation('phase'), 'stable');
  });

  it('on a terminal rotate counts the settle time down in one line, and leaves no trace of it after Ctrl-C and at the end', async () => {
    await start('10s');
    const args = ['rotate', '--ca', '--settle-time=10s', `--kubeconfig=${cluster.daemonKubeconfig}`];
    const countdown = /\r\d:\d\d until the (switch|removal)/;
    const stopped = await terminalCommand(args, { keys: [{ after: countdown, press: '\u0003' }] });
    assert.equal(stopped.exitCode, 130, stopped.received);
    assert.match(stopped.screen.at(-2) ?? '', /^interrupted: the daemon continues the rotation;/);
    const { exitCode, received, screen } = await terminalCommand(args);
    assert.equal(exitCode, 0, received);
    assert.match(received, countdown);
    assert.ok(received.includes('\u001b[32mdone\u001b[39m'), received);
    for (const line of [...stopped.screen, ...screen]) {
      assert.match(
        line,
        /^(requested a new CA|a rotation is in progress: .*|interrupted: .*|done|(certificate authority|serving certificate): .*|[a-z]+: waits for [^:]+, until .*Z|publishing: .*|stable|)$/,
      );
    }
  });

  it('rotate exits with code 1 and a next step if no daemon runs', async () => {
    await start();
    await daemon.stop();
    const { exitCode, stdout } = await rotate('--timeout=2s');
    assert.equal(exitCode, 1);
    assert.match(stdout, /not done: no progress for \d+ s: is a daemon running\?/);
    assert.match(stdout, /kubectl -n vela-system rollout restart deployment terraform-daemon\n/);
    assert.match(stdout, /kubectl -n vela-system annotate secret terraform-job-webhook-cert .*\/rotate-\n$/);
    assert.equal(await annotation('rotate'), 'serving');
  });

  it('while all writes are paused, the command rotate exits with code 1 and does not set the annotation rotate on the Secret', async () => {
    await start();
    await annotate({ 'terraform.job.kb.io/paused': 'true' });
    const { exitCode, stdout } = await rotate();
    assert.equal(exitCode, 1);
    assert.match(stdout, /^not done: all writes .* are paused.*\n {2}kubectl .* terraform\.job\.kb\.io\/paused-\n$/);
    assert.equal(await annotation('rotate'), undefined);
  });

  it('the daemon completes the rotation after the command rotate was interrupted', async () => {
    await start();
    await daemon.stop();
    const before = await fingerprints();
    const { exitCode, stdout } = await spawnCommand(['rotate', `--kubeconfig=${cluster.daemonKubeconfig}`], {
      stopAt: /^requested/,
    });
    assert.deepEqual([exitCode, /interrupted: the daemon continues the rotation/.test(stdout)], [130, true], stdout);
    daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      flags: ['--rotate-on-start=false', '--settle-time=1s'],
    });
    await eventually(async () => assert.notEqual((await fingerprints())[0], before[0]), { withinMs: 60_000 });
  });

  it('rotate exits with code 1 if the Secret does not exist', async () => {
    await start();
    await daemon.stop();
    await cluster.forgetDaemon();
    const { exitCode, stdout } = await rotate();
    assert.equal(exitCode, 1);
    assert.match(stdout, /^not done: Secret vela-system\/terraform-job-webhook-cert does not exist/);
  });
});
