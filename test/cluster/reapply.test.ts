import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { PatchStrategy, setHeaderOptions, type V1Job } from '@kubernetes/client-node';
import { helm } from '../../tools/chart/helm.ts';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { kubernetesVersion, servedPolicyVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { BUNDLE, type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'team-a';

/** A Job as a user keeps it in a file: with retries, and matched by the built-in policy. */
const manifestOf = (name: string, { image = 'example.invalid/terraform:1', annotations = {} } = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: NAMESPACE, annotations },
  spec: {
    backoffLimit: 6,
    template: {
      spec: {
        serviceAccountName: 'tf-executor-service-account',
        restartPolicy: 'OnFailure',
        containers: [{ name: 'terraform-executor', image }],
      },
    },
  },
});

const once = ({ spec }: V1Job) => [spec?.backoffLimit, spec?.template.spec?.restartPolicy];
const KEPT = [0, 'Never'];
const markOf = ({ metadata }: V1Job) => metadata?.annotations?.['terraform.job.kb.io/capped'];
const MARK = '{"rule":"terraform","backoffLimit":6,"restartPolicy":"OnFailure"}';

/** Resolves when the API server uses the webhook or the MutatingAdmissionPolicy. */
const untilInForce = ({ batch }: Cluster) =>
  eventually(async () => {
    const body = manifestOf('probe') as V1Job;
    const stored = await batch.createNamespacedJob({ namespace: NAMESPACE, body, dryRun: 'All' });
    assert.deepEqual(once(stored), KEPT);
  });

const version = await kubernetesVersion();
const served = servedPolicyVersion(version);

for (const form of ['webhook', 'MutatingAdmissionPolicy'] as const) {
  const skip =
    form === 'MutatingAdmissionPolicy' &&
    served === undefined &&
    `Kubernetes ${minorOf(version)} has no MutatingAdmissionPolicy, or an alpha`;

  describe(`a manifest that is applied again, with the ${form}`, { skip }, () => {
    let cluster: Cluster;
    let daemon: Daemon | undefined;
    let folder: string;

    const run = (args: readonly string[], manifest: object) =>
      kubectl(cluster.kubeconfig, [...args, '-f', '-'], JSON.stringify(manifest));
    const read = (name: string) => cluster.batch.readNamespacedJob({ namespace: NAMESPACE, name });

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-reapply-'));
      cluster = await startCluster();
      await cluster.createNamespace(NAMESPACE);
      if (form === 'webhook') {
        // The backstop would repair what this test must see.
        daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: ['--heal=off'] });
        await daemon.line('ready');
      } else {
        const args = [BUNDLE, 'policy', `--api-version=${served}`];
        const { stdout } = await promisify(execFile)(process.execPath, args);
        await kubectl(cluster.kubeconfig, ['apply', '-f', '-'], stdout);
      }
      await untilInForce(cluster);
    });
    after(async () => {
      await daemon?.stop();
      await cluster?.stop();
      await rm(folder, { recursive: true });
    });

    /** Sets the status that the Job controller writes when a Pod runs, or when the Job has failed. */
    async function report(name: string, state: 'running' | 'failed'): Promise<void> {
      const startTime = new Date();
      const conditions = ['FailureTarget', 'Failed'].map((type) => {
        return { type, status: 'True', lastTransitionTime: startTime };
      });
      const status = state === 'running' ? { startTime, active: 1 } : { startTime, conditions };
      await cluster.batch.patchNamespacedJobStatus(
        { namespace: NAMESPACE, name, body: { status } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
    }

    /** Runs `act` and asserts that it has changed neither the Job nor its identity. */
    async function assertUnchanged(name: string, act: () => Promise<unknown>): Promise<void> {
      const first = await read(name);
      assert.deepEqual(once(first), KEPT);
      assert.equal(markOf(first), MARK);
      await act();
      const second = await read(name);
      assert.equal(second.metadata?.uid, first.metadata?.uid, 'the Job was deleted and created again');
      assert.deepEqual(JSON.parse(JSON.stringify(second.spec)), JSON.parse(JSON.stringify(first.spec)));
      assert.equal(markOf(second), MARK);
    }

    it('an applied manifest without the last finalizer of a Job that is being deleted ends the deletion', async () => {
      const { metadata, ...rest } = manifestOf('finalized');
      await run(['apply'], { ...rest, metadata: { ...metadata, finalizers: ['example.com/hold'] } });
      await kubectl(cluster.kubeconfig, ['-n', NAMESPACE, 'delete', 'job', 'finalized', '--wait=false']);
      await run(['apply'], { ...rest, metadata: { ...metadata, finalizers: [] } });
      await eventually(() => assert.rejects(read('finalized'), { code: 404 }));
    });

    for (const state of ['running', 'failed'] as const) {
      const applied = async (name: string, ...args: readonly string[]) => {
        await run(['apply', ...args], manifestOf(name));
        await report(name, state);
      };

      it(`kubectl apply of a ${state} Job stores no change, and kubectl diff finds none`, async () => {
        const name = `apply-${state}`;
        await applied(name);
        await assertUnchanged(name, () => run(['apply'], manifestOf(name)));
        const managers = (await read(name)).metadata?.managedFields?.map(({ manager }) => manager);
        assert.ok(!managers?.includes('terraform-daemon'), 'a webhook is no field manager');
        // kubectl diff exits with code 1 if there is a difference.
        await assertUnchanged(name, () => run(['diff'], manifestOf(name)));
      });

      it(`kubectl apply --force of a ${state} Job does not delete it and create it again`, async () => {
        const name = `force-${state}`;
        await applied(name);
        await assertUnchanged(name, () => run(['apply', '--force'], manifestOf(name)));
      });

      it(`kubectl apply --server-side of a ${state} Job stores no change, and kubectl diff finds none`, async () => {
        const name = `server-side-${state}`;
        await applied(name, '--server-side');
        await assertUnchanged(name, () => run(['apply', '--server-side'], manifestOf(name)));
        await assertUnchanged(name, () => run(['diff', '--server-side'], manifestOf(name)));
      });

      it(`a second field manager that forces its server-side apply of a ${state} Job stores no change`, async () => {
        const name = `managers-${state}`;
        await applied(name, '--server-side');
        const second = ['apply', '--server-side', '--field-manager=second'];
        // The conflict is about backoffLimit and restartPolicy: Kubernetes compares the manifest with the stored Job.
        await assert.rejects(run(second, manifestOf(name)), /conflicts with "kubectl"/);
        await assertUnchanged(name, () => run([...second, '--force-conflicts'], manifestOf(name)));
      });

      it(`a merge patch with the whole manifest of a ${state} Job stores no change`, async () => {
        const name = `merge-${state}`;
        await applied(name);
        const patch = ['patch', 'job', name, '-n', NAMESPACE, '--type=merge', '-p', JSON.stringify(manifestOf(name))];
        await assertUnchanged(name, () => kubectl(cluster.kubeconfig, patch));
      });

      it(`kubectl replace of a ${state} Job, which drops its annotations, stores no change`, async () => {
        const name = `replace-${state}`;
        // Without its own selector the API server refuses the replacement of any Job, because it generates a selector.
        const { spec, ...rest } = manifestOf(name);
        const labels = { app: name };
        const template = { metadata: { labels }, ...spec.template };
        const manifest = {
          ...rest,
          spec: { ...spec, manualSelector: true, selector: { matchLabels: labels }, template },
        };
        await run(['create'], manifest);
        await report(name, state);
        await assertUnchanged(name, () => run(['replace'], manifest));
      });

      for (const program of ['helm3', 'helm4'] as const) {
        it(`an upgrade with ${program} to the same chart stores no change in a ${state} Job`, async () => {
          const name = `${program}-${state}`;
          const chart = join(folder, name);
          await mkdir(join(chart, 'templates'), { recursive: true });
          await writeFile(join(chart, 'Chart.yaml'), `{apiVersion: v2, name: ${name}, version: 1.0.0}`);
          await writeFile(join(chart, 'templates', 'job.yaml'), JSON.stringify(manifestOf(name)));
          const release = (command: string) =>
            helm({ helm: program, kubeconfig: cluster.kubeconfig }, command, name, chart, '--namespace', NAMESPACE);
          await release('install');
          await report(name, state);
          await assertUnchanged(name, () => release('upgrade'));
        });
      }
    }

    it('an opted-out Job keeps restartPolicy Never and gets the backoffLimit of its manifest', async () => {
      const name = 'opted-out';
      await run(['apply'], manifestOf(name));
      const annotations = { 'terraform.job.kb.io/keep-retries': 'true' };
      const { metadata } = await read(name);
      await run(['apply'], manifestOf(name, { annotations }));
      const stored = await read(name);
      assert.deepEqual([stored.metadata?.uid, ...once(stored)], [metadata?.uid, 6, 'Never']);
    });

    it('the API server still refuses another change of the Pod template', async () => {
      const name = 'other-image';
      await run(['apply'], manifestOf(name));
      const change = run(['apply'], manifestOf(name, { image: 'example.invalid/terraform:2' }));
      await assertUnchanged(name, () => assert.rejects(change, /spec\.template: Invalid value: .*field is immutable/s));
    });

    it('the API server still refuses restartPolicy Always', async () => {
      const name = 'always';
      const manifest = manifestOf(name);
      await run(['apply'], manifest);
      manifest.spec.template.spec.restartPolicy = 'Always';
      await assertUnchanged(name, () => assert.rejects(run(['apply'], manifest), /restartPolicy: Required value/));
    });

    if (form === 'webhook')
      it('while no endpoint answers, the API server refuses the second apply, and the Job stays as it is', async () => {
        const name = 'while-down';
        await run(['apply'], manifestOf(name));
        await daemon?.stop();
        const again = () => assert.rejects(run(['apply'], manifestOf(name)), /spec\.template: .*field is immutable/s);
        await assertUnchanged(name, again);
      });
  });
}

describe('a server-side apply after the backstop has capped the Job', () => {
  let cluster: Cluster;
  let daemon: Daemon | undefined;
  before(async () => {
    cluster = await startCluster();
    await cluster.createNamespace(NAMESPACE);
  });
  after(async () => {
    await daemon?.stop();
    await cluster?.stop();
  });

  it('one apply with --force-conflicts gives backoffLimit back to the manager of the apply', async () => {
    const name = 'stored-uncapped';
    const apply = (...args: readonly string[]) =>
      kubectl(cluster.kubeconfig, ['apply', '--server-side', ...args, '-f', '-'], JSON.stringify(manifestOf(name)));
    const owners = async () => {
      const { metadata } = await cluster.batch.readNamespacedJob({ namespace: NAMESPACE, name });
      return (metadata?.managedFields ?? [])
        .filter(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes('"f:backoffLimit"'))
        .map(({ manager }) => manager);
    };
    await apply();
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    await daemon.line('uncapped job capped');
    assert.deepEqual(await owners(), ['terraform-daemon']);
    await untilInForce(cluster);
    await assert.rejects(apply(), /conflict with "terraform-daemon" using batch\/v1: \.spec\.backoffLimit/);
    await apply('--force-conflicts');
    assert.deepEqual(await owners(), ['kubectl']);
    await apply();
    const stored = await cluster.batch.readNamespacedJob({ namespace: NAMESPACE, name });
    assert.deepEqual(once(stored), [0, 'OnFailure'], 'a Job that was stored with OnFailure keeps it');
  });
});
