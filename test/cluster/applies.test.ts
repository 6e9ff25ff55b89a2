import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { V1Job } from '@kubernetes/client-node';
import { z } from 'zod';
import schema from '../../docs/reference/applies.schema.json' with { type: 'json' };
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import type { Component } from '../../tools/control-plane/component.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { createProcessGroup, type ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { applyTerraformCrds, startTerraformController } from '../../tools/control-plane/terraform-controller.ts';
import { type Cluster, NAMESPACE, startCluster } from '../support/cluster/cluster.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { createdAfter, type Team, teamIn } from '../support/cluster/team.ts';
import { createConfiguration } from '../support/cluster/terraform-controller.ts';
import { readDocument, shellBlocks } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const VERSIONS = ['terraform-controller-v0.8.0', 'terraform-controller-master'] as const;
const SETTINGS = VERSIONS.flatMap((version, index) => [
  { version, namespace: `team-${index}`, controllerNamespace: undefined },
  { version, namespace: `other-team-${index}`, controllerNamespace: `jobs-${index}` },
]);

/** The state of terraform, as its Kubernetes backend stores it. */
const EMPTY_STATE = gzipSync('{}').toString('base64');

describe('terraform-daemon applies, with the real terraform-controller and the real Job controller', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let group: ProcessGroup;
  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    group = await createProcessGroup();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('ready');
    await applyTerraformCrds({ version: VERSIONS[0], kubeconfig: cluster.kubeconfig });
  });
  after(async () => {
    await group?.stop();
    await daemon?.stop();
    await cluster?.stop();
  });

  const applies = (...args: readonly string[]) =>
    spawnCommand(['applies', ...args, `--kubeconfig=${cluster.kubeconfig}`]);

  interface Documented {
    /** Whether the Job has the uid of its Configuration. */
    readonly isByUid: boolean;
    readonly names: { readonly namespace: string; readonly jobNamespace: string };
  }

  /** Runs the kubectl commands of the document for the Configuration `by-hand`. */
  async function runDocumented({ isByUid, names }: Documented): Promise<void> {
    const file = 'docs/how-to/retry-a-failed-apply.md';
    const blocks = shellBlocks(file, await readDocument(file)).map(({ commands }) => commands);
    const block = blocks.find((commands) =>
      commands.includes(isByUid ? '"$uid-apply"' : 'delete job oss-bucket-apply'),
    );
    const commands = (block ?? 'false')
      .replaceAll('oss-bucket', 'by-hand')
      .replaceAll('vela-system', names.jobNamespace)
      .replaceAll('team-a', names.namespace);
    const path = `${dirname((await ensureBinaries(['kubectl'])).kubectl)}${delimiter}${process.env.PATH}`;
    const env = { ...process.env, PATH: path, KUBECONFIG: cluster.kubeconfig, KUBERC: 'off' };
    await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { env });
  }

  for (const setting of SETTINGS) {
    const { version, namespace, controllerNamespace } = setting;
    const mode = controllerNamespace === undefined ? 'Jobs beside their Configuration' : '--controller-namespace';
    describe(`${version}, ${mode}`, () => {
      const jobNamespace = controllerNamespace ?? namespace;
      let controller: Component;
      let team: Team;
      before(async () => {
        for (const name of new Set([namespace, jobNamespace])) await cluster.createNamespace(name);
        controller = await startTerraformController(group, { ...setting, kubeconfig: cluster.kubeconfig });
        team = teamIn(cluster, namespace, controllerNamespace);
      });
      after(async () => {
        await kubectl(cluster.kubeconfig, ['-n', namespace, 'delete', 'configuration', '--all', '--timeout=5m']);
        await controller?.stop();
      });
      const retry = (name: string, ...args: readonly string[]) =>
        applies('retry', `${namespace}/${name}`, '--yes', ...args);
      const failed = async (name: string): Promise<V1Job> => {
        await createConfiguration(cluster, namespace, name);
        return team.end(await team.untilJob(name), 1);
      };
      /** Asserts that this Job is the only one that was created after the former one failed. */
      const assertOnly = async (job: V1Job, former: V1Job) =>
        assert.deepEqual(await createdAfter(cluster, former, job), [job.metadata?.uid]);

      it('applies lists a failed apply, and retry runs it exactly once more, capped', async () => {
        const former = await failed('bucket');
        const listed = await applies('-n', namespace);
        assert.equal(listed.exitCode, 1, listed.stderr);
        assert.match(listed.stdout, new RegExp(`^${namespace} +bucket +\\S+-apply +apply +failed +1 +`, 'm'));
        assert.match(listed.stdout, / +terraform-daemon applies retry \S+\/bucket --kubeconfig \S+\n/);

        const { exitCode, stdout, stderr } = await retry('bucket');
        assert.equal(exitCode, 0, stdout + stderr);
        assert.match(
          stdout,
          /\n(deleted Job \S+)\n(annotated Configuration \S+\/bucket)\n(created Job \S+), capped: backoffLimit 0, restartPolicy Never\n$/,
        );
        const job = await team.untilJob('bucket', former.metadata?.uid);
        await assertOnly(job, former);

        const again = await retry('bucket');
        assert.equal(again.exitCode, 1);
        assert.match(again.stdout, /^not done: Job \S+ still runs/);
        const running = await applies('-n', namespace);
        assert.equal(running.exitCode, 0, running.stdout);
        assert.match(running.stdout, /^\S+ +bucket +\S+ +apply +running +- +/m);

        await team.end(job, 0);
        const succeeded = await retry('bucket');
        assert.match(succeeded.stdout, /^not done: Job \S+ has succeeded/);
        await assertOnly(job, former);
        assert.match((await applies('-n', namespace)).stdout, /^verdict: none: /);
      });

      it('the kubectl commands of the document run a failed apply exactly once more, and delete no Job that runs', async () => {
        const former = await failed('by-hand');
        const documented = { isByUid: controllerNamespace !== undefined, names: { namespace, jobNamespace } };
        await runDocumented(documented);
        const job = await team.untilJob('by-hand', former.metadata?.uid);
        await assert.rejects(runDocumented(documented), /condition not met/);
        await assertOnly(job, former);
        assert.equal((await team.untilJob('by-hand')).metadata?.uid, job.metadata?.uid);
      });

      it('two users who retry at the same time cause one more run', async () => {
        const former = await failed('shared');
        const both = await Promise.all([retry('shared'), retry('shared')]);
        assert.ok(
          both.some(({ exitCode }) => exitCode === 0),
          JSON.stringify(both),
        );
        const job = await team.untilJob('shared', former.metadata?.uid);
        await assertOnly(job, former);
      });

      it('retry --wait reports a run that fails again', async () => {
        const former = await failed('twice');
        const retried = retry('twice', '--wait');
        await team.end(await team.untilJob('twice', former.metadata?.uid), 3);
        const { exitCode, stdout } = await retried;
        assert.equal(exitCode, 1);
        assert.match(stdout, /\nterraform apply failed\. Container terraform-executor of Pod \S+ exited with code 3/);
      });

      it('retry after a retry that was killed between its two writes creates the Job', async () => {
        const former = await failed('half');
        await kubectl(cluster.kubeconfig, ['-n', jobNamespace, 'delete', 'job', former.metadata?.name ?? '']);
        const { exitCode, stdout } = await retry('half');
        const job = await team.untilJob('half', former.metadata?.uid);
        // terraform-controller v0.8.0 can create the Job before the command reads it.
        assert.equal(exitCode, /still runs/.test(stdout) ? 1 : 0, stdout);
        await assertOnly(job, former);
      });

      it('applies lists a failed destroy, and retry --wait ends when the Configuration is removed', async () => {
        await createConfiguration(cluster, namespace, 'old');
        const applied = await team.untilJob('old');
        const suffix = controllerNamespace === undefined ? 'old' : await team.uidOf('old');
        // Without a stored state, terraform-controller starts no destroy. It is stored before the Pod ends, as terraform
        // stores it, so that the cache of terraform-controller has it when the Configuration is deleted.
        const state = { metadata: { name: `tfstate-default-${suffix}` }, data: { tfstate: EMPTY_STATE } };
        await cluster.core.createNamespacedSecret({ namespace: NAMESPACE, body: state });
        await team.end(applied, 0);
        await kubectl(cluster.kubeconfig, ['-n', namespace, 'delete', 'configuration', 'old', '--wait=false']);
        const former = await team.end(await team.untilJob('old', '', 'destroy'), 1);
        const listed = await applies('-n', namespace, '-o', 'json');
        assert.equal(listed.exitCode, 1);
        const report = JSON.parse(listed.stdout);
        z.fromJSONSchema(schema as never).parse(report);
        const destroy = report.applies.find(({ configuration }: { configuration: string }) => configuration === 'old');
        assert.deepEqual([destroy.action, destroy.state, destroy.ending.exitCode], ['destroy', 'failed', 1]);

        const retried = retry('old', '--wait');
        await team.endPod(await team.untilJob('old', former.metadata?.uid, 'destroy'), 0);
        const { exitCode, stdout } = await retried;
        assert.equal(exitCode, 0, stdout);
        assert.match(stdout, /\n(terraform destroy succeeded|Configuration \S+\/old is removed)\n$/);
        await eventually(() => assert.rejects(team.uidOf('old'), { code: 404 }));
      });
    });
  }
});
