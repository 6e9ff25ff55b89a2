import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import { ensureExampleImage } from '../../tools/image/images.ts';
import { blocksRunBy, projectFile } from '../support/docs.ts';
import { logOf, notRetriedNote, type Stage, startStage, untilCapped } from './support.ts';

const PAGE = 'docs/tutorial/quick-start.md';
const EXAMPLE = 'terraform-example';

describe('the quick start on a real node without the namespace of the daemon', async () => {
  const blocks = await blocksRunBy('quick-start');
  const [install, fail, look, certificates, remove, ...others] = blocks.filter(({ file }) => file === PAGE);
  let stage: Stage;
  let startMs: number;
  before(async () => {
    stage = await startStage(async (progress) => [await ensureExampleImage(progress)]);
  });
  after(() => stage?.stop());

  /** Runs the commands of a block, and returns all that they print. */
  async function run(commands = ''): Promise<string> {
    const { kubectl } = await ensureBinaries(['kubectl']);
    const env = { ...process.env, PATH: `${dirname(kubectl)}:${process.env.PATH}`, KUBECONFIG: stage.kubeconfig };
    const args = ['-euo', 'pipefail', '-c', commands];
    const { stdout, stderr } = await promisify(execFile)('bash', args, { cwd: projectFile('.'), env });
    return stdout + stderr;
  }
  const sinceStart = () => `${((performance.now() - startMs) / 1000).toFixed(1)} s after the first command`;

  it('README.md has the commands of the page', () => {
    const readme = blocks.filter(({ file }) => file === 'README.md');
    assert.deepEqual(
      readme.map(({ commands }) => commands),
      [`${install?.commands}\n${fail?.commands}`],
    );
    assert.deepEqual(others, []);
  });

  it('the files of the quick start make the namespace, and the daemon becomes ready', async (t) => {
    startMs = performance.now();
    await run(install?.commands);
    t.diagnostic(`both replicas were ready ${sinceStart()}`);
    // The API server can need up to a second more to reach the endpoint.
    await untilCapped(stage);
  });

  it('the failing apply runs once: one failed Pod, one ticket in its log, and an Event', async (t) => {
    assert.match(await run(fail?.commands), /Warning: .*once/);
    const { metadata } = await stage.batch.readNamespacedJob({ namespace: EXAMPLE, name: 'example-apply' });
    const note = await notRetriedNote(stage, EXAMPLE, metadata?.uid);
    t.diagnostic(`the Event was there ${sinceStart()}: ${note}`);
    const { items } = await stage.core.listNamespacedPod({ namespace: EXAMPLE });
    const state = items.map(({ status }) => [status?.phase, status?.containerStatuses?.[0]?.restartCount]);
    assert.deepEqual(state, [['Failed', 0]]);
    assert.equal((await logOf(stage, note)).match(/A ticket was filed/g)?.length, 1);
  });

  it('the commands of the page print the values that the page names', async (t) => {
    const seen = await run(look?.commands);
    t.diagnostic(seen);
    assert.match(seen, /^pod\/example-apply-\S+ +0\/1 +Error +0 /m);
    assert.match(seen, /^Annotations: +terraform\.job\.kb\.io\/capped: .*"backoffLimit":2147483647/m);
    assert.match(seen, /^Backoff Limit: +0$/m);
    assert.match(seen, /^ +Warning +NotRetried .* terraform-daemon /m);
    assert.match(await run(certificates?.commands), /^verdict: healthy$/m);
  });

  it('the commands of the page remove the example and the install, and keep the namespace', async () => {
    await run(remove?.commands);
    const left = await stage.kubectl('get', 'deployments,clusterroles,namespaces', '-A', '-o', 'name');
    assert.doesNotMatch(left, /terraform-(daemon|example)/);
    assert.match(left, /^namespace\/vela-system$/m);
  });
});
