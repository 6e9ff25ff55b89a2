import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { buildDaemonImage, DAEMON_IMAGE } from '../../tools/image/images.ts';
import { type AdmissionStream, startAdmissionStream } from '../support/chaos/admission-stream.ts';
import { collectLifecycles, lifecycleRow } from '../support/chaos/lifecycle-table.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';
import {
  createRestrictedNamespace,
  DEPLOYMENT,
  install,
  NAMESPACE,
  ROLLOUT_MS,
  type Stage,
  startStage,
} from './support.ts';

const STREAM_NAMESPACE = 'stream';
const PER_SECOND = 50;
/**
 * How long the stream of Jobs runs before and after the action of a scenario. kube-proxy needs less time to apply a
 * change of the Service.
 */
const STEADY_MS = 3_000;
/**
 * Until the kubelet and kube-proxy have noticed a killed container, the Service still sends calls to it. These calls
 * are refused without a retry, so they count as in flight.
 */
const KNOWN_MS = promisedMs(1_000);
/** Maximum time until a Job that was stored without the endpoint is capped. */
const HEAL_MS = promisedMs(5_000);
const UPGRADE = `${DAEMON_IMAGE}-upgrade`;

describe('changes of the Deployment under a stream of Jobs through the real Service', () => {
  let stage: Stage;
  let stream: AdmissionStream;
  const table = collectLifecycles();

  before(async () => {
    stage = await startStage(async (progress) => [await buildDaemonImage(progress, UPGRADE)]);
    await createRestrictedNamespace(stage);
    await stage.core.createNamespace({ body: { metadata: { name: STREAM_NAMESPACE } } });
    await install(stage);
    stream = await startAdmissionStream(stage, { namespace: STREAM_NAMESPACE, perSecond: PER_SECOND });
  });
  after(async () => {
    await stream?.stop();
    await stage?.stop();
    table.print();
  });

  const rollout = (...args: readonly string[]) => stage.kubectl('-n', NAMESPACE, 'rollout', ...args, DEPLOYMENT);
  const untilRolledOut = () => rollout('status', `--timeout=${ROLLOUT_MS}ms`);
  const untilReady = (replicas: number) =>
    eventually(
      async () => {
        const pods = await stage.pods();
        assert.deepEqual(pods.map(isReady), Array(replicas).fill(true));
      },
      { withinMs: ROLLOUT_MS },
    );

  /** Runs the scenario under the stream of Jobs. All Jobs must be capped, except calls in flight during a kill. */
  async function scenario(name: string, act: () => Promise<Date | undefined>): Promise<void> {
    const from = stream.requests().length;
    await delay(STEADY_MS);
    const since = new Date();
    const killedAt = await act();
    await delay(STEADY_MS);
    const requests = stream.requests().slice(from);
    const kills = killedAt ? [{ from: killedAt, to: new Date(killedAt.getTime() + KNOWN_MS) }] : [];
    const row = table.add(lifecycleRow({ scenario: name, requests, since, kills }));
    assert.ok(row.sent > PER_SECOND, JSON.stringify(row));
    const failed = requests.filter(({ outcome }) => outcome !== 'mutated');
    assert.deepEqual([row.lost, row.unmutated], [0, 0], JSON.stringify(failed.slice(0, 5)));
  }
  const assertAllMutated = (name: string, act: () => Promise<void>) =>
    scenario(name, async () => {
      await act();
      return undefined;
    });
  const isReady = ({ status }: V1Pod) =>
    status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
  const namesOf = async () => (await stage.pods()).map(({ metadata }) => metadata?.name ?? '');

  it('while the Deployment does not change, all Jobs of a stream of 16 seconds are capped', () =>
    assertAllMutated('steady', () => delay(10_000)));

  it('a rolling restart of the Deployment loses no Job', () =>
    assertAllMutated('kubectl rollout restart', async () => {
      await rollout('restart');
      await untilRolledOut();
    }));

  it('a deleted Pod loses no Job', () =>
    assertAllMutated('kubectl delete pod', async () => {
      const [name = ''] = await namesOf();
      await stage.kubectl('-n', NAMESPACE, 'delete', 'pod', name);
      await untilReady(2);
    }));

  it('all Jobs are capped while the Deployment scales from 2 to 5 replicas and back', () =>
    assertAllMutated('scale 2, 5, 2', async () => {
      await stage.kubectl('-n', NAMESPACE, 'scale', DEPLOYMENT, '--replicas=5');
      await untilReady(5);
      await stage.kubectl('-n', NAMESPACE, 'scale', DEPLOYMENT, '--replicas=2');
      await untilReady(2);
    }));

  it('a change of the image loses no Job', () =>
    assertAllMutated('image upgrade', async () => {
      await stage.kubectl('-n', NAMESPACE, 'set', 'image', DEPLOYMENT, `terraform-daemon=${UPGRADE}`);
      await untilRolledOut();
      const images = (await stage.pods()).map(({ spec }) => spec?.containers[0]?.image);
      assert.deepEqual(images, [UPGRADE, UPGRADE]);
    }));

  it('a drain of the node keeps one replica, so that no Job is lost', () =>
    assertAllMutated('node drain', async () => {
      // The cluster has one node, so the evicted Pod cannot start elsewhere and the PodDisruptionBudget must protect
      // the other Pod.
      const drain = stage.kubectl('drain', 'n1', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=15s');
      await assert.rejects(drain, /violate the pod's disruption budget|timeout|timed out/);
      const ready = (await stage.pods()).filter(isReady);
      assert.equal(ready.length, 1);
      await stage.kubectl('uncordon', 'n1');
      await untilReady(2);
    }));

  /**
   * Kills the daemon in the container of a Pod. Its processes are found by their cgroup, whose name contains the uid of
   * the Pod.
   */
  async function killContainer({ metadata, status }: V1Pod): Promise<Date> {
    const restarts = status?.containerStatuses?.[0]?.restartCount ?? 0;
    const uid = metadata?.uid?.replaceAll('-', '[-_]');
    const ours = `for p in $(grep -lE 'pod${uid}' /proc/[0-9]*/cgroup | cut -d/ -f3); do grep -q terraform-daemon /proc/$p/cmdline && echo $p; done; true`;
    const pids = (await stage.node.inside('sh', '-c', ours)).trim().split('\n');
    // The shell that kills the daemon also prints the time of the kill. The test cannot take this time itself, because
    // starting a process in the node takes longer than a call of the webhook.
    const killedAt = new Date(Number(await stage.node.inside('sh', '-c', `date +%s%3N; kill -9 ${pids.join(' ')}`)));
    await eventually(
      async () => {
        const again = (await stage.pods()).find((pod) => pod.metadata?.uid === metadata?.uid);
        assert.ok((again?.status?.containerStatuses?.[0]?.restartCount ?? 0) > restarts);
      },
      { withinMs: ROLLOUT_MS },
    );
    await untilReady(2);
    return killedAt;
  }

  // The API server can keep its connection to one Pod for minutes, so each container is killed once.
  for (const nth of [0, 1]) {
    it(`after a kill of container ${nth + 1} of 2, only Jobs in flight are stored uncapped, and they are capped within five seconds`, async () => {
      await scenario(`kill -9 of container ${nth + 1} of 2`, async () => {
        const pod = (await stage.pods()).toSorted(byName)[nth];
        assert.ok(pod);
        return killContainer(pod);
      });
      // The API server does not retry a call that was in flight, so it stored its Job uncapped. The backstop must cap
      // it.
      await eventually(
        async () => {
          const { items } = await stage.batch.listNamespacedJob({ namespace: STREAM_NAMESPACE });
          const missed = items.filter(({ spec }) => spec?.backoffLimit !== 0);
          assert.deepEqual(
            missed.map(({ metadata }) => metadata?.name),
            [],
          );
        },
        { withinMs: HEAL_MS },
      );
    });
  }
});

const byName = (one: V1Pod, other: V1Pod): number =>
  (one.metadata?.name ?? '').localeCompare(other.metadata?.name ?? '');
