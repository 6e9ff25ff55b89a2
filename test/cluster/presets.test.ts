import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { V1Job } from '@kubernetes/client-node';
import { presetJobs, terraformPods } from '../support/builders/preset-jobs.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { BUNDLE, type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const NAMESPACE = 'team-a';
const presetFile = (name: string) => projectFile(`examples/policies/${name}.yaml`);
const once = ({ spec }: V1Job) => [spec?.backoffLimit, spec?.template.spec?.restartPolicy];

describe('the policies in examples/policies on a real API server', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let folder: string;
  const policyFile = () => join(folder, 'policy.yaml');
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-presets-'));
    cluster = await startCluster();
    await cluster.createNamespace(NAMESPACE);
    await use('{"rules":[{"name":"none","match":{"jobName":"none"},"set":{"backoffLimit":0}}]}');
    const flags = [`--policy-file=${policyFile()}`];
    daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags });
    await daemon.line('ready');
  });
  after(async () => {
    await daemon?.stop();
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  /** Renames the policy into place, so that the daemon never reads a partial file. */
  const use = async (policy: string) => {
    await writeFile(`${policyFile()}.new`, policy);
    await rename(`${policyFile()}.new`, policyFile());
  };
  const dryRun = (body: V1Job) => cluster.batch.createNamespacedJob({ namespace: NAMESPACE, body, dryRun: 'All' });

  it('examples/policies has a policy for each group of sample Jobs, and no other file', async () => {
    const files = await readdir(projectFile('examples/policies'));
    assert.deepEqual(
      files.toSorted(),
      Object.keys(presetJobs)
        .map((name) => `${name}.yaml`)
        .toSorted(),
    );
  });

  for (const [name, { capped, unchanged }] of Object.entries(presetJobs)) {
    it(`terraform-daemon policy accepts examples/policies/${name}.yaml`, async () => {
      const args = [BUNDLE, 'policy', '--policy-file', presetFile(name)];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      assert.match(stdout, /^kind: MutatingAdmissionPolicy$/m);
    });

    it(`with examples/policies/${name}.yaml the Jobs of its controller are capped, and Jobs that resemble them are not`, async () => {
      for (const [job] of capped) assert.deepEqual(once(await dryRun(job)), once(job));
      await use(await readFile(presetFile(name), 'utf8'));
      for (const [job, backoffLimit] of capped) {
        await eventually(async () => assert.deepEqual(once(await dryRun(job)), [backoffLimit, 'Never']));
        assert.deepEqual(once(await cluster.createJob(job)), [backoffLimit, 'Never']);
      }
      for (const job of unchanged) assert.deepEqual(once(await cluster.createJob(job)), once(job));
    });
  }

  it('no policy changes a Pod that a controller creates without a Job', async () => {
    await use('{"rules":[{"name":"all","match":{"namespaces":["*"]},"set":{"backoffLimit":0}}]}');
    const [job] = presetJobs.cronjob?.unchanged ?? [];
    assert.ok(job);
    await eventually(async () =>
      assert.deepEqual(once(await dryRun({ ...job, metadata: { name: 'other' } })), [0, 'Never']),
    );
    for (const body of terraformPods) {
      const account = { metadata: { name: body.spec?.serviceAccountName ?? '' } };
      await cluster.core.createNamespacedServiceAccount({ namespace: NAMESPACE, body: account });
      const stored = await cluster.core.createNamespacedPod({ namespace: NAMESPACE, body });
      assert.equal(stored.spec?.restartPolicy, body.spec?.restartPolicy);
    }
  });
});
