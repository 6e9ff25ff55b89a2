import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Span, timeKill } from '../support/chaos/admission-outcomes.ts';
import { type FaultProxy, startFaultProxy } from '../support/chaos/fault-proxy.ts';
import type { LifecycleRow } from '../support/chaos/lifecycle-table.ts';
import { type Cluster, OWN } from '../support/cluster/cluster.ts';
import type { Replica } from '../support/cluster/replica.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';
import { ask, play, type Stage, startStage } from './stage.ts';

/** The writes of a CA rotation, in order. */
const WRITES = ['announces', 'publishes', 'begins to settle', 'switches', 'retires', 'withdraws'] as const;

/** Scenarios in which replicas are killed. Only calls that were in flight in a killed replica may fail. */
export function crashes(cluster: () => Cluster, add: (row: LifecycleRow) => LifecycleRow): void {
  const unharmed = (row: LifecycleRow) => {
    add(row);
    assert.deepEqual([row.scenario, row.lost, row.unmutated], [row.scenario, 0, 0]);
  };

  describe('a CA rotation whose writer is killed', () => {
    for (const moment of ['before', 'after'] as const) {
      test(`a CA rotation whose writer is killed ${moment} each of its writes is completed by the other replicas`, async (t) => {
        const stage = await startStage(cluster(), t, { replicas: 0 });
        const victims = await startVictims(stage, t, moment);
        for (const [index, what] of WRITES.entries()) {
          const before = (await cluster().secret())?.data?.['ca.key'];
          const scenario = `writer killed ${moment} it ${what}`;
          const row = await play(stage, t, {
            scenario,
            act: async (killed) => {
              victims.killAt(index + 1, killed);
              await ask(stage, 'ca');
              await eventually(() => assert.equal(victims.kills(), index + 1, 'no replica was killed'));
              await victims.add();
            },
          });
          unharmed(row);
          assert.notEqual((await cluster().secret())?.data?.['ca.key'], before, 'the CA was rotated');
        }
      });
    }
  });

  describe('replicas that are killed or started at once', () => {
    test('if one of three replicas is killed, only the calls that this replica was serving fail', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const act = async (killed: (kill: Span) => void) => {
        killed(await timeKill(() => stage.end(stage.replicas[0] as Replica, 'SIGKILL')));
        await stage.add();
      };
      unharmed(await play(stage, t, { scenario: 'one of three killed', act }));
    });

    test('five replicas that start beside a serving replica use its CA, and no Job is lost', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 1 });
      const act = async () => {
        await Promise.all(Array.from({ length: 5 }, () => stage.add()));
      };
      unharmed(await play(stage, t, { scenario: 'five more started at once', act }));
    });

    test('after a kill and restart of all replicas, Jobs are capped again within ten seconds, also if caBundle was emptied', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 2 });
      const endAll = () => Promise.all([...stage.replicas].map((replica) => stage.end(replica, 'SIGKILL')));
      const restart = () => Promise.all([stage.add(), stage.add()]);
      const all = await play(stage, t, {
        scenario: 'all killed and started again',
        act: async (killed) => {
          killed(await timeKill(endAll));
          await restart();
        },
      });
      const emptied = await play(stage, t, {
        scenario: 'the same, caBundle emptied meanwhile',
        act: async (killed) => {
          killed(await timeKill(endAll));
          await emptyBundle(cluster());
          await restart();
        },
      });
      for (const row of [all, emptied]) {
        add(row);
        assert.equal(row.lost, 0);
        assert.ok(row.healedMs < promisedMs(10_000), `${row.scenario}: ${row.healedMs} ms`);
      }
    });
  });
}

interface Victims {
  /** Makes the proxies kill the replica that sends the n-th write from now on. */
  killAt(n: number, killed: (kill: Span) => void): void;
  kills(): number;
  add(): Promise<void>;
}

/** Starts three replicas. Each has its own proxy to the API server. This proxy can kill the replica before or after a write. */
async function startVictims(stage: Stage, t: TestContext, moment: 'before' | 'after'): Promise<Victims> {
  let writes = 0;
  let fatal = Number.POSITIVE_INFINITY;
  let kills = 0;
  let killed: (kill: Span) => void = () => {};
  const add = async () => {
    let replica: Replica | undefined;
    const isFatal = () => {
      writes += 1;
      return writes === fatal ? ('kill' as const) : undefined;
    };
    const proxy: FaultProxy = await startFaultProxy(stage.cluster.daemonKubeconfig, {
      ...(moment === 'before' ? { beforeWrite: isFatal } : { afterWrite: isFatal }),
      onKill: async () => {
        killed(await timeKill(async () => replica && stage.end(replica, 'SIGKILL')));
        kills += 1;
      },
    });
    t.after(() => proxy.close());
    replica = await stage.add({ kubeconfig: proxy.kubeconfig });
  };
  await Promise.all([add(), add(), add()]);
  await stage.rest();
  return {
    killAt(n, tell) {
      writes = 0;
      fatal = n;
      killed = tell;
    },
    kills: () => kills,
    add,
  };
}

async function emptyBundle({ admission }: Cluster): Promise<void> {
  const name = 'terraform-job-webhook-configuration';
  const live = await admission.readMutatingWebhookConfiguration({ name });
  const own = live.webhooks?.find((entry) => entry.name === OWN);
  delete own?.clientConfig.caBundle;
  await admission.replaceMutatingWebhookConfiguration({ name, body: live });
}
