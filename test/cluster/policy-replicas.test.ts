import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { matchConditions } from '../../src/policy/cel.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { ownWebhook } from '../../src/registration/desired.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

const policy = (backoffLimit: number): Policy => ({
  rules: [{ name: 'a', match: { jobName: 'a*' }, set: { backoffLimit, restartPolicy: 'Never' } }],
});

describe('replicas with different policy files, as during a ConfigMap update', () => {
  let cluster: Cluster;
  let folder: string;
  const daemons: Daemon[] = [];
  const file = (nth: number) => join(folder, String(nth), 'policy.yaml');
  const write = (nth: number, value: Policy) => writeFile(file(nth), JSON.stringify(value));
  const live = async () =>
    JSON.parse(JSON.stringify(ownWebhook(await cluster.registration())?.matchConditions ?? null));
  /** A daemon becomes ready without the Lease if its first check of the Lease takes longer than two seconds. */
  const untilLive = (wanted: Policy) => eventually(async () => assert.deepEqual(await live(), matchConditions(wanted)));
  const writesOf = (daemon: Daemon | undefined) =>
    daemon?.lines.filter(
      ({ message, drift }) => message === 'webhook configuration updated' && /matchConditions/.test(String(drift)),
    );
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-replicas-'));
    cluster = await startCluster();
  });
  after(async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  const start = async (nth: number, value: Policy) => {
    await mkdir(join(folder, String(nth)));
    await write(nth, value);
    const servicePort = daemons[0]?.port;
    const flags = [`--policy-file=${file(nth)}`, '--rotate-on-start=false'];
    const daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      flags,
      ...(servicePort ? { servicePort } : {}),
    });
    daemons.push(daemon);
    await daemon.line('ready');
    return daemon;
  };

  it('of replicas with different policies, only the Lease holder publishes its match conditions, and the other does not revert them', async () => {
    const first = await start(0, policy(1));
    assert.deepEqual(await live(), matchConditions(policy(1)));
    const second = await start(1, policy(2));
    await untilLive(policy(2));
    await first.line('webhook settings differ from this replica, left to the lease holder');
    await eventually(() => assert.deepEqual([writesOf(first)?.length, writesOf(second)?.length], [0, 1]));
  });

  it('after both replicas have read the same policy file, neither writes the registration again', async () => {
    const [first, second] = daemons;
    await write(0, policy(2));
    await eventually(() =>
      assert.ok(first && first.lines.filter(({ message }) => message === 'policy loaded').length === 2),
    );
    assert.deepEqual(await live(), matchConditions(policy(2)));
    assert.deepEqual([writesOf(first)?.length, writesOf(second)?.length], [0, 1]);
  });

  it('only the Lease holder publishes the match conditions of a changed policy file', async () => {
    const [first] = daemons;
    await write(0, policy(4));
    await eventually(() =>
      assert.ok(first && first.lines.filter(({ message }) => message === 'policy loaded').length === 3),
    );
    await write(1, policy(3));
    await untilLive(policy(3));
    assert.equal(writesOf(first)?.length, 0);
  });

  it('replicas with different policies repair a change of the match conditions to the policy of the Lease holder', async () => {
    const registration = (await cluster.registration()) ?? assert.fail();
    const own = ownWebhook(registration) ?? assert.fail();
    own.matchConditions = [{ name: 'never', expression: 'false' }];
    await cluster.admission.replaceMutatingWebhookConfiguration({
      name: registration.metadata?.name ?? '',
      body: registration,
    });
    await untilLive(policy(3));
    assert.equal(writesOf(daemons[0])?.length, 0);
  });

  it('after the Lease holder has stopped, the next holder publishes the match conditions of its own policy', async () => {
    await daemons[1]?.stop();
    await eventually(async () => assert.deepEqual(await live(), matchConditions(policy(4))), {
      withinMs: promisedMs(10_000),
    });
  });
});
