import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createProcessGroup, type ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { ensureTerraformImages } from '../../tools/image/images.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';
import { createRestrictedNamespace, failedApplies, install, logOf, type Stage, startStage } from './support.ts';
import { type Action, startTeam, type Team } from './team.ts';
import { type Outcome, startTicketSystem, type TicketSystem } from './tickets.ts';

/** Longer than the longest interval at which terraform-controller polls, 10 s. */
const SETTLE_MS = 12_000;
/** Time limit for a deleted Job to be there again. The document promises 15 s on an idle machine. */
const BACK_MS = promisedMs(15_000);
const DONE_MS = 120_000;

/** The Configurations of each team, by name. */
const OUTCOMES = {
  succeeds: 'all succeed',
  runs: 'apply hangs',
  'apply-fails': 'apply fails',
  'init-fails': 'init fails',
  'destroy-fails': 'destroy fails',
} as const satisfies Readonly<Record<string, Outcome>>;

/** What the Event on the Configuration says about the end of the Job. */
const SEEN = {
  'apply-fails': /^The Job of terraform apply failed .*\. Container terraform-executor of Pod \S+ exited with code 1\b/,
  'init-fails': /^The Job of terraform apply failed .*\. Init container terraform-init of Pod \S+ exited with code 1\b/,
};

/** Whether the version reads all Configurations every 10 s. The main branch ignores `--informer-re-sync-interval`. */
const RESYNCS = { 'terraform-controller-v0.8.0': true, 'terraform-controller-master': false } as const;
const SETTINGS = (['terraform-controller-v0.8.0', 'terraform-controller-master'] as const).flatMap((version, index) => [
  { version, namespace: `team-${index}`, controllerNamespace: undefined },
  { version, namespace: `other-team-${index}`, controllerNamespace: `jobs-${index}` },
]);

/** All messages in the status of a Configuration whose apply has not succeeded. */
const WAITING =
  /^container "terraform-(init|executor)" in pod "[^"]+" is waiting to start: PodInitializing$|^Cloud resources are being provisioned and provisioning status is checking\.\.\.$/;

describe('terraform-controller on a real node, with the daemon', () => {
  let stage: Stage;
  let tickets: TicketSystem;
  let group: ProcessGroup;
  const rows: object[] = [];
  before(async () => {
    stage = await startStage(ensureTerraformImages);
    tickets = await startTicketSystem(stage.node);
    group = await createProcessGroup();
    await createRestrictedNamespace(stage);
    await install(stage);
  });
  after(async () => {
    await group?.stop();
    await stage?.stop();
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
  });

  for (const setting of SETTINGS) {
    const { version, controllerNamespace } = setting;
    const mode = controllerNamespace === undefined ? 'Jobs beside their Configuration' : '--controller-namespace';
    describe(`${version}, ${mode}`, () => {
      let team: Team;
      before(async () => {
        team = await startTeam({ ...setting, stage, tickets, group });
        for (const [name, outcome] of Object.entries(OUTCOMES)) await team.create(name, outcome);
        for (const name of ['apply-fails', 'init-fails']) await team.untilJob('Failed', name);
        for (const name of ['succeeds', 'destroy-fails']) await team.untilJob('Complete', name);
        await eventually(async () => assert.equal(await team.runs('runs'), 1), { withinMs: DONE_MS });
        const { status } = await team.configuration('succeeds');
        rows.push({ version, mode, name: 'succeeds', state: status?.apply?.state, when: 'before it is read again' });
        // A restart and a change make terraform-controller read each Configuration again.
        await team.restart();
        await team.touch('apply-fails');
        await delay(SETTLE_MS);
      });
      after(() => team?.stop());

      const applies = (...args: readonly string[]) =>
        spawnCommand(['applies', ...args, `--kubeconfig=${stage.kubeconfig}`]);
      const look = async (name: string, action: Action = 'apply') => {
        const { status } = await team.configuration(name);
        const { state = '', message = '' } = status?.[action] ?? {};
        const found = { runs: await team.runs(name, action), state, message, events: await team.events(name) };
        rows.push({ version, mode, name, action, ...found });
        return found;
      };
      /** Resolves when a Job that this test deleted is there again, is capped and has failed again. */
      const untilRetried = async (uid: string, name: string, action: Action = 'apply') => {
        await team.untilBack(uid, name, { withinMs: BACK_MS, action });
        const { spec } = await team.untilJob('Failed', name, action);
        assert.deepEqual([spec?.backoffLimit, spec?.template.spec?.restartPolicy], [0, 'Never']);
      };

      /** Returns the only Event of the daemon on a Configuration. The daemon writes it after the Job has failed. */
      const onlyReport = (name: string, reason: string) =>
        eventually(
          async () => {
            const [report, ...others] = await team.reports(name);
            assert.deepEqual([report?.reason, others], [reason, []]);
            return report;
          },
          { withinMs: DONE_MS },
        );
      const untilCounted = (number: number) =>
        eventually(async () => assert.equal(await failedApplies(stage, team.namespace), number), { withinMs: DONE_MS });

      it('a failed apply and a failed init run once, and their Configuration says the same as during an apply', async () => {
        for (const [name, runs] of Object.entries({ 'apply-fails': 1, 'init-fails': 0, runs: 1 })) {
          const found = await look(name);
          assert.match(found.message, WAITING);
          assert.deepEqual(
            { ...found, message: '' },
            { runs, state: 'ProvisioningAndChecking', message: '', events: 0 },
          );
        }
      });

      it('a failed apply and a failed init are one Event each on their Configuration, and both count in the metric', async () => {
        for (const [name, seen] of Object.entries(SEEN)) {
          const report = await onlyReport(name, 'ApplyFailed');
          assert.match(report?.message ?? '', seen);
          assert.ok(
            report?.message?.includes(
              `kubectl -n ${team.namespace} annotate --overwrite configurations.terraform.core.oam.dev ${name} `,
            ),
          );
          rows.push({ version, mode, name, event: report?.message });
        }
        assert.match(
          await stage.kubectl('-n', team.namespace, 'describe', 'configuration', 'apply-fails'),
          /Warning +ApplyFailed .*The Job of terraform apply failed and is not retried by policy\./,
        );
        assert.deepEqual(await team.reports('runs'), []);
        await untilCounted(2);
      });

      it('the Events on the Jobs of a failed apply and of a failed init say what their Pods show, and name the log', async () => {
        const expected = await failedJobEvents(team);
        for (const name of ['apply-fails', 'init-fails']) {
          const event = await team.jobEvent(name);
          assert.equal(event, expected[name]);
          rows.push({ version, mode, name, event });
        }
        const logs = await Promise.all(Object.values(expected).map((event) => logOf(stage, event)));
        assert.match(logs[0] ?? '', /A ticket was filed/);
        assert.match(logs[1] ?? '', /Failed to query available provider packages/);
      });

      it('the Configuration of an apply that succeeded is Available after terraform-controller read it again', async () => {
        const untilAvailable = async () =>
          assert.equal((await team.configuration('succeeds')).status?.apply?.state, 'Available');
        await eventually(untilAvailable, { withinMs: DONE_MS });
        const { message, ...found } = await look('succeeds');
        assert.deepEqual(found, { runs: 1, state: 'Available', events: 0 });
        assert.equal(message, 'Cloud resources are deployed and ready to use');
      });

      it('a Job has no owner, no label of its own, and the name of its Configuration in its first volume', async () => {
        const [{ metadata: configuration }, job] = [await team.configuration('runs'), await team.job('runs')];
        const name = controllerNamespace === undefined ? 'runs' : configuration.uid;
        assert.deepEqual([job.metadata?.name, job.metadata?.ownerReferences], [`${name}-apply`, undefined]);
        const labels = Object.keys(job.metadata?.labels ?? {}).filter((label) => !label.startsWith('batch.'));
        assert.deepEqual(labels.sort(), ['controller-uid', 'job-name']);
        assert.equal(job.spec?.template.spec?.volumes?.[0]?.name, 'runs');
      });

      it('a deleted Job of a failed init is created again without a change of the Configuration', async (t) => {
        const uid = await team.deleteJob('init-fails');
        t.diagnostic(`back after ${await team.untilBack(uid, 'init-fails', { withinMs: BACK_MS })} ms`);
      });

      it('to delete the failed Job and then change the Configuration runs terraform apply exactly once more', async (t) => {
        const uid = await team.deleteJob('apply-fails');
        if (RESYNCS[version]) {
          t.diagnostic(`back after ${await team.untilBack(uid, 'apply-fails', { withinMs: BACK_MS })} ms`);
          await team.touch('apply-fails');
        } else {
          await delay(SETTLE_MS);
          await assert.rejects(team.job('apply-fails'), { code: 404 });
          await team.touch('apply-fails');
          t.diagnostic(`back after ${await team.untilBack(uid, 'apply-fails', { withinMs: BACK_MS })} ms`);
        }
        await untilRetried(uid, 'apply-fails');
        await delay(SETTLE_MS);
        const { message, ...found } = await look('apply-fails');
        assert.match(message, WAITING);
        assert.deepEqual(found, { runs: 2, state: 'ProvisioningAndChecking', events: 0 });
      });

      it('applies retry runs a failed terraform apply exactly once more', async () => {
        const before = await team.runs('apply-fails');
        const retried = await applies('retry', `${team.namespace}/apply-fails`, '--yes', '--wait');
        assert.match(
          retried.stdout,
          /\ncreated Job \S+, capped: backoffLimit 0, restartPolicy Never\n/,
          retried.stderr,
        );
        assert.match(
          retried.stdout,
          /\nterraform apply failed\. Container terraform-executor of Pod \S+ exited with code 1/,
        );
        assert.equal(retried.exitCode, 1);
        await delay(SETTLE_MS);
        assert.equal(await team.runs('apply-fails'), before + 1);
        const listed = await applies('-n', team.namespace);
        assert.equal(listed.exitCode, 1);
        assert.match(listed.stdout, /^\S+ +apply-fails +\S+ +apply +failed +1 /m);
        assert.match(listed.stdout, /^\S+ +runs +\S+ +apply +running +- /m);
      });

      it('a failed destroy runs once and keeps the Configuration; each deletion of its Job runs it once more, as applies retry does', async (t) => {
        await stage.kubectl('-n', team.namespace, 'delete', 'configuration', '--all', '--wait=false');
        await team.untilJob('Failed', 'destroy-fails', 'destroy');
        await delay(SETTLE_MS);
        await eventually(
          async () =>
            assert.deepEqual(
              await team.configurations(),
              ['destroy-fails'],
              'a Configuration without a state needs no destroy',
            ),
          { withinMs: DONE_MS },
        );
        assert.deepEqual(
          await Promise.all(['succeeds', 'apply-fails'].map((name) => team.runs(name, 'destroy'))),
          [1, 0],
        );
        const found = await look('destroy-fails', 'destroy');
        const message = 'Cloud resources is being destroyed...';
        assert.deepEqual(found, { runs: 1, state: 'Destroying', message, events: 0 });
        const report = await onlyReport('destroy-fails', 'DestroyFailed');
        assert.match(
          report?.message ?? '',
          /^The Job of terraform destroy failed and is not retried by policy\. Container /,
        );
        await untilCounted(1);

        await untilRetried(await team.deleteJob('destroy-fails', 'destroy'), 'destroy-fails', 'destroy');
        assert.equal(await team.runs('destroy-fails', 'destroy'), 2);
        await team.decide('destroy-fails', 'all succeed');
        const start = performance.now();
        const retried = await applies('retry', `${team.namespace}/destroy-fails`, '--yes', '--wait');
        assert.equal(retried.exitCode, 0, retried.stdout + retried.stderr);
        await eventually(async () => assert.deepEqual(await team.configurations(), []), { withinMs: DONE_MS });
        t.diagnostic(`the Configuration was gone ${Math.round(performance.now() - start)} ms after the retry began`);
        assert.equal(await team.runs('destroy-fails', 'destroy'), 3);
        await untilCounted(0);
      });
    });
  }
});

/** Returns the expected messages of the Events on the Jobs of `apply-fails` and `init-fails`. */
async function failedJobEvents(team: Team): Promise<Readonly<Record<string, string>>> {
  const { namespace, jobNamespace } = team;
  const texts = {
    'apply-fails': ['Container terraform-executor', ' (Error).', 'terraform-executor'],
    'init-fails': ['Init container terraform-init', ' (Error), so no main container started.', 'terraform-init'],
  } as const;
  const expected: Record<string, string> = {};
  for (const [name, [subject, end, container]] of Object.entries(texts)) {
    const [{ metadata: job }, { metadata: configuration }, pod] = [
      await team.job(name),
      await team.configuration(name),
      await team.podName(name),
    ];
    const remove = `kubectl -n ${jobNamespace} delete job ${job?.name}`;
    const touch = `kubectl -n ${namespace} annotate --overwrite configurations.terraform.core.oam.dev ${name} terraform.job.kb.io/retried-at=$(date +%s)`;
    const retry =
      namespace === jobNamespace
        ? `\`${remove} && ${touch}\`.`
        : `\`${remove}\`, then change an annotation of the Configuration ${name} with the uid ${configuration.uid}.`;
    expected[name] =
      `This Job failed, and the policy allows no retry. ${subject} of Pod ${pod} exited with code 1${end} ` +
      `Its log: \`kubectl -n ${jobNamespace} logs ${pod} -c ${container}\`. To run it again after fixing the cause: ${retry}`;
  }
  return expected;
}
