import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PatchStrategy, setHeaderOptions, type V1Job } from '@kubernetes/client-node';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import type { LifecycleRow } from '../support/chaos/lifecycle-table.ts';
import type { Cluster } from '../support/cluster/cluster.ts';
import { ask, play, STREAM_NAMESPACE, startStage } from './stage.ts';

const NAME = 'applied-again';

/** A scenario in which a user applies the same manifest of a Job again and again. */
export function applies(cluster: () => Cluster, add: (row: LifecycleRow) => LifecycleRow): void {
  const read = () => cluster().batch.readNamespacedJob({ namespace: STREAM_NAMESPACE, name: NAME });
  const apply = (body: V1Job) =>
    cluster().batch.patchNamespacedJob(
      { namespace: STREAM_NAMESPACE, name: NAME, body },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );

  /** Applies the manifest until the signal is aborted. Returns how often. Rejects if the API server refuses it once. */
  async function applyUntil(signal: AbortSignal, manifest: V1Job): Promise<number> {
    for (let times = 0; ; times++) {
      if (signal.aborted) return times;
      await apply(manifest);
    }
  }

  describe('a manifest that is applied again', () => {
    test('no apply of an unchanged manifest is refused while all replicas are replaced and the CA is rotated', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 2 });
      const recorded = await recordedJob('create-terraform-apply', STREAM_NAMESPACE);
      const manifest = { ...recorded, metadata: { name: NAME, namespace: STREAM_NAMESPACE } };
      const { metadata, spec } = await cluster().createJob(manifest);
      const act = async () => {
        const stopped = new AbortController();
        const applied = applyUntil(stopped.signal, manifest);
        for (const replica of [...stage.replicas]) {
          await stage.add();
          await stage.end(replica);
        }
        await ask(stage, 'ca');
        await stage.rest();
        stopped.abort();
        const times = await applied;
        assert.ok(times > 20, `only ${times} applies`);
      };
      const row = add(await play(stage, t, { scenario: 'a manifest applied again in a rollout', act }));
      assert.deepEqual([row.lost, row.unmutated], [0, 0]);
      const stored = await read();
      assert.equal(stored.metadata?.uid, metadata?.uid);
      assert.deepEqual(JSON.stringify(stored.spec), JSON.stringify(spec));
    });
  });
}
