import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { AuthorizationV1Api } from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, DAEMON_USER } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { grantBackstop, startWithSmallerRights } from '../support/cluster/smaller-rights.ts';
import { eventually } from '../support/eventually.ts';

const UNWATCHED = 'cannot watch jobs, will try again';
const SELECTING = {
  namespaceSelector: { matchLabels: { capped: 'yes' } },
  rules: [{ name: 'all', match: { namespaces: ['*'] }, set: { backoffLimit: 0 } }],
};

describe('a daemon with --backstop-namespaces and a Role in each namespace', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startWithSmallerRights();
  });
  after(() => cluster?.stop());
  beforeEach(() => cluster.forgetDaemon());

  /** Starts a daemon that the API server cannot call, because no process listens on the port of its Service. */
  async function start(t: TestContext, ...flags: readonly string[]): Promise<Daemon> {
    const servicePort = await freePort();
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, servicePort, flags });
    t.after(() => daemon.stop('SIGKILL'));
    return daemon;
  }
  async function store(namespace: string): Promise<void> {
    const job = await recordedJob('create-terraform-apply', namespace);
    await cluster.createJob({ ...job, metadata: { ...job.metadata, name: 'one' } });
  }
  const limitIn = async (namespace: string) =>
    (await cluster.batch.readNamespacedJob({ namespace, name: 'one' })).spec?.backoffLimit;
  const untilCapped = (namespace: string) =>
    eventually(async () => assert.equal(await limitIn(namespace), 0), { withinMs: 90_000 });
  const unwatched = ({ lines }: Daemon) =>
    lines.filter(({ message }) => message === UNWATCHED).map(({ error }) => String(error));

  it('the backstop caps the Jobs of the listed namespaces only, also if one namespace is refused and one is created later', async (t) => {
    for (const name of ['team-a', 'refused', 'unlisted']) {
      await cluster.createNamespace(name);
      await store(name);
    }
    await grantBackstop(cluster, ['team-a']);
    const daemon = await start(t, '--backstop-namespaces=refused,later,team-a');
    await untilCapped('team-a');
    for (const name of ['refused', 'later']) {
      await eventually(() =>
        assert.ok(
          unwatched(daemon).some((error) => error.includes(`cannot list Jobs of namespace ${name}`)),
          name,
        ),
      );
    }
    await eventually(async () => {
      const { items } = await cluster.core.listNamespacedEvent({ namespace: 'team-a', fieldSelector: 'reason=Missed' });
      assert.equal(items.length, 1);
    });

    await cluster.createNamespace('later');
    await grantBackstop(cluster, ['later']);
    await store('later');
    await untilCapped('later');
    for (const name of ['refused', 'unlisted']) assert.notEqual(await limitIn(name), 0, name);
    assert.equal((await daemon.probe('/readyz')).status, 200);
  });

  it('the Roles of --backstop-namespaces give no right on Jobs, Pods, Events and namespaces outside of these namespaces', async () => {
    const authorization = apiClient(cluster.kubeconfig, AuthorizationV1Api);
    const review = async (resourceAttributes: object) => {
      const body = { spec: { user: DAEMON_USER, groups: ['system:authenticated'], resourceAttributes } };
      return (await authorization.createSubjectAccessReview({ body })).status?.allowed;
    };
    for (const [group, resource, verbs] of [
      ['batch', 'jobs', ['list', 'watch', 'patch']],
      ['', 'pods', ['list']],
      ['', 'events', ['create']],
    ] as const) {
      for (const verb of verbs) {
        assert.equal(await review({ group, resource, verb, namespace: 'team-a' }), true, `${verb} ${resource}`);
        for (const where of [{}, { namespace: 'unlisted' }])
          assert.equal(await review({ group, resource, verb, ...where }), false, `${verb} ${resource}`);
      }
    }
    assert.equal(await review({ resource: 'namespaces', verb: 'get', namespace: 'team-a', name: 'team-a' }), false);
  });

  it('with a namespaceSelector the backstop reads the labels of a namespace with the Role of this namespace', async (t) => {
    for (const [name, capped] of [
      ['selected', 'yes'],
      ['other', 'no'],
    ] as const) {
      await cluster.core.createNamespace({ body: { metadata: { name, labels: { capped } } } });
      await store(name);
    }
    await grantBackstop(cluster, ['other', 'selected'], SELECTING);
    const folder = await aFolder(t, { 'policy.yaml': JSON.stringify(SELECTING) });
    const flags = ['--backstop-namespaces=other,selected', `--policy-file=${folder}/policy.yaml`];
    const daemon = await start(t, ...flags);
    // The daemon logs this line after it has processed the Jobs of the list, or after two seconds.
    await eventually(() => assert.equal(daemon.lines.filter(({ message }) => message === 'jobs listed').length, 2));
    await untilCapped('selected');
    assert.notEqual(await limitIn('other'), 0);
    assert.deepEqual(
      daemon.lines.filter(({ message }) => message === 'job not capped'),
      [],
    );
  });
});
