import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LifecycleRow } from '../support/chaos/lifecycle-table.ts';
import type { Cluster } from '../support/cluster/cluster.ts';
import { type Act, ask, play, SETTLE_MS, startStage } from './stage.ts';

/** Scenarios in which certificates change without a fault: no Job may be lost. */
export function rotations(cluster: () => Cluster, add: (row: LifecycleRow) => LifecycleRow): void {
  describe('renewals and rotations without a fault', () => {
    const perfect = (row: LifecycleRow) => {
      add(row);
      assert.deepEqual([row.lost, row.unmutated, row.inFlightAtKill], [0, 0, 0]);
    };

    it('three replicas without a fault write neither Secret nor registration', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const since = new Date();
      const quiet: Act = {
        scenario: 'steady, for a minute',
        act: async () => {
          await minuteAfter(since);
          return since;
        },
      };
      perfect(await play(stage, t, quiet));
      const writes = stage.timeline.moments().filter(({ at }) => at >= since);
      assert.deepEqual(new Set(writes.map(versions)).size <= 1, true, 'somebody has written');
    });

    it('during a rolling restart of three replicas each Job is stored and capped', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const restart = async () => {
        for (const replica of [...stage.replicas]) {
          await stage.add();
          await stage.end(replica);
        }
      };
      perfect(await play(stage, t, { scenario: 'rolling restart, 3 replicas', act: restart }));
    });

    it('the annotation rotate=serving renews the serving certificate, and no Job is lost', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const act = () => ask(stage, 'serving');
      perfect(await play(stage, t, { scenario: 'serving certificate asked for', act, isHealed: isAnswered }));
    });

    it('the annotation rotate=ca rotates the CA, and no Job is lost', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const before = (await cluster().secret())?.data?.['ca.crt'];
      let askedAt = new Date();
      const act = () => {
        askedAt = new Date();
        return ask(stage, 'ca');
      };
      perfect(await play(stage, t, { scenario: 'CA asked for, 3 replicas', act, isHealed: isAnswered }));
      assert.notEqual((await cluster().secret())?.data?.['ca.crt'], before);
      const moments = stage.timeline.moments().filter(({ at }) => at >= askedAt);
      const asked = moments.findIndex((moment) => !isAnswered(moment));
      const answered = moments.slice(asked).find(isAnswered) ?? assert.fail();
      // The time counts from the request. The watch can record the request late.
      const tookMs = answered.at.getTime() - askedAt.getTime();
      assert.ok(tookMs >= 2 * SETTLE_MS, 'the new CA settles, and the old one retires');
    });

    it('with short lifetimes serving certificates and CAs change repeatedly, and no Job is lost', async (t) => {
      const flags = ['--ca-lifetime=36s', '--cert-lifetime=12s'];
      const stage = await startStage(cluster(), t, { replicas: 3, flags });
      const authorities = () => new Set(stage.timeline.moments().map(({ secret }) => secret?.data?.['ca.key']));
      const since = new Date();
      const act = async () => {
        await stage.timeline.when(() => authorities().size > 3, since, { withinMs: 120_000 });
      };
      perfect(await play(stage, t, { scenario: 'CA due, two times', act }));
    });
  });
}

const minuteAfter = (since: Date) =>
  new Promise((resolve) => setTimeout(resolve, since.getTime() + 60_000 - Date.now()));

const versions = ({ secret, registration }: { secret?: unknown; registration?: unknown }): string =>
  JSON.stringify([secret, registration].map((one) => (one as { metadata?: object } | undefined)?.metadata));

const isAnswered = ({ secret }: { secret: { metadata?: { annotations?: Record<string, string> } } | undefined }) =>
  secret !== undefined && secret.metadata?.annotations?.['terraform.job.kb.io/rotate'] === undefined;
