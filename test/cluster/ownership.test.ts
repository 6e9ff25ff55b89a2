import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import {
  CoordinationV1Api,
  KubeConfig,
  type KubernetesObject,
  PatchStrategy,
  RbacAuthorizationV1Api,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const LEASE = 'terraform-job-webhook-backstop';
const ROLE = 'terraform-daemon';
const FAILED = 'reconcile failed, will try again';
/** The garbage collector has to see what was deleted, and to make sure; and owners are looked at once a minute. */
const COLLECTED_MS = 90_000;
/** Where a watch tells of it owners are looked at five seconds after the last look, and not only within the minute. */
const LOOKED_AT_MS = 15_000;
const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const JSON_PATCH = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);

describe('what the daemon makes', () => {
  let cluster: Cluster;
  let leases: CoordinationV1Api;
  let rbac: RbacAuthorizationV1Api;
  const daemons: Daemon[] = [];

  before(async () => {
    cluster = await startCluster({ controllerManager: true });
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    leases = config.makeApiClient(CoordinationV1Api);
    rbac = config.makeApiClient(RbacAuthorizationV1Api);
  });
  after(() => cluster?.stop());
  beforeEach(() => kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]));
  afterEach(async () => {
    await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
    await cluster.forgetDaemon();
    await orAbsent(leases.deleteNamespacedLease({ namespace: NAMESPACE, name: LEASE }));
  });

  async function start(options: Partial<DaemonOptions> = {}): Promise<Daemon> {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, ...options });
    daemons.push(daemon);
    await daemon.line('ready');
    return daemon;
  }
  const lease = () => orAbsent(leases.readNamespacedLease({ namespace: NAMESPACE, name: LEASE }));
  const objects = () => Promise.all([cluster.registration(), cluster.secret(), lease()]);
  const roleUid = async () => (await rbac.readClusterRole({ name: ROLE })).metadata?.uid;
  const owners = async () => (await objects()).map((object) => object?.metadata?.ownerReferences);
  const owned = (uid: string | undefined) => {
    const owner = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: ROLE, uid };
    return [[owner], [owner], [owner]];
  };
  const untilOwned = async () => {
    const expected = owned(await roleUid());
    await eventually(async () => assert.deepEqual(plain(await owners()), expected), { withinMs: COLLECTED_MS });
  };

  it('is owned by the ClusterRole of the install, which neither blocks nor controls it', async () => {
    const daemon = await start();
    await untilOwned();
    await eventually(() => assert.equal(daemon.lines.filter(({ message }) => message === 'owner given').length, 3));
  });

  it('stays as it is when the manifests are applied again', async () => {
    await start();
    await untilOwned();
    const [registration, secret] = await objects();
    await kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]);
    await kubectl(cluster.kubeconfig, ['apply', '--server-side', '--force-conflicts', '-f', INSTALL]);
    const [registrationAfter, secretAfter] = await objects();
    assert.deepEqual(registrationAfter, registration);
    assert.deepEqual(secretAfter, secret);
  });

  it('goes with "kubectl delete -f", also while a daemon runs, and does not come back', async (t) => {
    const daemon = await start();
    await untilOwned();
    const startMs = performance.now();
    await kubectl(cluster.kubeconfig, ['delete', '-f', INSTALL]);
    await eventually(async () => assert.deepEqual(await objects(), [undefined, undefined, undefined]), {
      withinMs: COLLECTED_MS,
    });
    t.diagnostic(`gone ${Math.round(performance.now() - startMs)} ms after kubectl delete was called`);
    // It has been told of each deletion by its watch, and would have answered within half a second.
    await daemon.line(FAILED);
    await kubectl(cluster.kubeconfig, ['get', 'mutatingwebhookconfigurations,clusterroles', '-o', 'name']).then((out) =>
      assert.doesNotMatch(out, /terraform/),
    );
    const left = await kubectl(cluster.kubeconfig, [
      ...['-n', NAMESPACE, 'get', '-o', 'name'],
      'serviceaccounts,roles,rolebindings,secrets,leases,services,endpointslices,deployments,replicasets,pods,networkpolicies,poddisruptionbudgets',
    ]);
    assert.doesNotMatch(left, /terraform/);
  });

  it('is there again when the ClusterRole was deleted and made anew, with the new one as its owner', async () => {
    const daemon = await start();
    await untilOwned();
    const before = await roleUid();
    await kubectl(cluster.kubeconfig, ['delete', 'clusterrole', ROLE]);
    await kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]);
    assert.notEqual(await roleUid(), before);
    await eventually(
      async () => {
        assert.deepEqual(plain(await owners()), owned(await roleUid()));
        assert.equal((await daemon.probe('/readyz')).status, 200);
      },
      { withinMs: COLLECTED_MS },
    );
  });

  it('is not made anew while the ClusterRole is missing, whatever other rights the daemon has', async (t) => {
    const daemon = await start();
    await untilOwned();
    const binding = 'everything-for-the-daemon';
    const user = `--user=system:serviceaccount:${NAMESPACE}:terraform-daemon`;
    await kubectl(cluster.kubeconfig, ['create', 'clusterrolebinding', binding, '--clusterrole=cluster-admin', user]);
    t.after(() => kubectl(cluster.kubeconfig, ['delete', 'clusterrolebinding', binding]));
    await kubectl(cluster.kubeconfig, ['delete', 'clusterrole', ROLE]);
    await eventually(
      () => {
        assert.ok(daemon.lines.some(({ message, code }) => message === FAILED && code === 'OWNER_GONE'));
      },
      { withinMs: COLLECTED_MS },
    );
    await eventually(async () => assert.deepEqual((await objects()).slice(0, 2), [undefined, undefined]));
    await kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]);
    await untilOwned();
  });

  it('keeps the owners that others have given, and is not fought for where they take ours out', async () => {
    const daemon = await start();
    await untilOwned();
    const other = await rbac.readClusterRole({ name: 'view' });
    const theirs = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      name: 'view',
      uid: other.metadata?.uid ?? '',
    };
    const body = { metadata: { ownerReferences: [theirs] } };
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body }, MERGE);
    const told = 'somebody has taken the owner out, so that the object will stay when the install is deleted';
    await eventually(() => assert.ok(daemon.lines.some(({ message }) => message === told)), {
      withinMs: LOOKED_AT_MS,
    });
    const live = await cluster.registration();
    assert.deepEqual(plain(live?.metadata?.ownerReferences), [theirs]);
    // The next one is told of a replica that has not given it before.
    await daemon.stop();
    await start();
    await eventually(async () => {
      const uids = (await cluster.registration())?.metadata?.ownerReferences?.map(({ uid }) => uid);
      assert.deepEqual(uids?.toSorted(), [theirs.uid, await roleUid()].toSorted());
    });
  });

  it('does not go with the install where entries of others are in it, before or after it was given', async () => {
    const entry = {
      name: 'other.example.com',
      clientConfig: { url: 'https://other.example.com' },
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
    };
    const add = { op: 'add', path: '/webhooks/-', value: entry };
    const uids = async () => (await cluster.registration())?.metadata?.ownerReferences?.map(({ uid }) => uid);
    const daemon = await start();
    await untilOwned();
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body: [add] }, JSON_PATCH);
    await eventually(async () => assert.equal(await uids(), undefined), { withinMs: LOOKED_AT_MS });
    await daemon.line('owner taken back, as it is not ours alone');
    // The next one finds it as it is.
    await daemon.stop();
    const next = await start();
    await next.line('reconciled');
    assert.equal(await uids(), undefined);
    await kubectl(cluster.kubeconfig, ['delete', '-f', INSTALL]);
    await eventually(async () => assert.equal(await cluster.secret(), undefined), { withinMs: COLLECTED_MS });
    const left = (await cluster.registration())?.webhooks?.map(({ name }) => name);
    assert.ok(left?.includes('other.example.com'));
  });

  it('has no owner where there is no such ClusterRole, or no right to read it, which is told once', async () => {
    const daemon = await start({ flags: ['--owner-cluster-role=another'] });
    const said = await daemon.line('what the daemon makes will stay when its install is deleted');
    assert.deepEqual([said.level, said.clusterRole], ['warn', 'another']);
    await eventually(async () => assert.ok((await lease()) !== undefined));
    await kubectl(cluster.kubeconfig, ['-n', NAMESPACE, 'annotate', 'secret', SECRET, 'touched=true']);
    await eventually(async () => assert.ok(daemon.lines.filter(({ message }) => message === 'reconciled').length > 1));
    assert.deepEqual(await owners(), [undefined, undefined, undefined]);
    const told = daemon.lines.filter(({ message, level }) => level === 'warn' && message === said.message);
    assert.equal(told.length, 1);
  });

  it('is given no owner while writes are paused', async () => {
    const daemon = await start({ flags: ['--owner-cluster-role=another'] });
    await kubectl(cluster.kubeconfig, [
      ...['-n', NAMESPACE, 'annotate', 'secret', SECRET],
      'terraform.job.kb.io/paused=true',
    ]);
    await daemon.stop();
    const second = await start();
    await second.line('watching jobs');
    assert.deepEqual(await owners(), [undefined, undefined, undefined]);
  });
});

describe('where an owner may only be given by whoever may delete the object', () => {
  it('what the daemon may not give is told once, and everything else works', async (t) => {
    const cluster = await startCluster({
      apiServerArgs: ['--enable-admission-plugins=OwnerReferencesPermissionEnforcement'],
    });
    t.after(() => cluster.stop());
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop());
    const refused = await daemon.line('owner not given');
    assert.deepEqual([refused.level, refused.code], ['warn', 'KUBE_FORBIDDEN']);
    assert.match(String(refused.error), /cannot set an ownerRef on a resource you can't delete/);
    await daemon.line('ready');
    assert.equal((await daemon.probe('/readyz')).status, 200);
    // The daemon may delete its Secret.
    assert.equal((await cluster.secret())?.metadata?.ownerReferences?.length, 1);
    assert.equal((await cluster.registration())?.metadata?.ownerReferences, undefined);
    const rule = { op: 'add', path: '/rules/0/verbs/-', value: 'delete' };
    await kubectl(cluster.kubeconfig, ['patch', 'clusterrole', ROLE, '--type=json', '-p', JSON.stringify([rule])]);
    await eventually(async () => assert.equal((await cluster.registration())?.metadata?.ownerReferences?.length, 1), {
      withinMs: COLLECTED_MS,
    });
  });
});

const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null));

async function orAbsent<T extends KubernetesObject>(call: Promise<T | object>): Promise<T | undefined> {
  return call.then(
    (object) => object as T,
    (error: { code?: number }) => {
      if (error.code === 404) return undefined;
      throw error;
    },
  );
}
