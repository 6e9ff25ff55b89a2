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
/** The garbage collector rereads the owner before it deletes an object, and resyncs its monitors. */
const COLLECTED_MS = 90_000;
const JSON_PATCH = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);

describe('the owner reference of objects of the daemon', () => {
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

  it('Secret, Lease and registration are created with the ClusterRole as owner, without blockOwnerDeletion and controller', async () => {
    await start();
    await untilOwned();
  });

  it('a second kubectl apply of the manifests does not change the objects of the daemon', async () => {
    await start();
    await untilOwned();
    const [registration, secret] = await objects();
    await kubectl(cluster.kubeconfig, ['apply', '-f', INSTALL]);
    await kubectl(cluster.kubeconfig, ['apply', '--server-side', '--force-conflicts', '-f', INSTALL]);
    const [registrationAfter, secretAfter] = await objects();
    assert.deepEqual(registrationAfter, registration);
    assert.deepEqual(secretAfter, secret);
  });

  it('kubectl delete -f removes the objects of a running daemon, and the daemon does not create them again', async (t) => {
    const daemon = await start();
    await untilOwned();
    const startMs = performance.now();
    await kubectl(cluster.kubeconfig, ['delete', '-f', INSTALL]);
    await eventually(async () => assert.deepEqual(await objects(), [undefined, undefined, undefined]), {
      withinMs: COLLECTED_MS,
    });
    t.diagnostic(`gone ${Math.round(performance.now() - startMs)} ms after kubectl delete was called`);
    // The watches report each deletion to the daemon, which would recreate the object within half a second.
    await daemon.line('reconcile failed, will try again');
    await kubectl(cluster.kubeconfig, ['get', 'mutatingwebhookconfigurations,clusterroles', '-o', 'name']).then((out) =>
      assert.doesNotMatch(out, /terraform/),
    );
    const kinds =
      'serviceaccounts,roles,rolebindings,secrets,leases,services,endpointslices,deployments,replicasets,pods,networkpolicies,poddisruptionbudgets';
    // The garbage collector deletes the ReplicaSet after the Deployment, and the Pods after the ReplicaSet.
    await eventually(
      async () =>
        assert.doesNotMatch(
          await kubectl(cluster.kubeconfig, ['-n', NAMESPACE, 'get', '-o', 'name', kinds]),
          /terraform/,
        ),
      { withinMs: COLLECTED_MS },
    );
  });

  it('after its ClusterRole was deleted and created again, the daemon recreates its objects with the new owner', async () => {
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

  it('objects that the daemon recreates after the deletion of its ClusterRole are garbage-collected', async (t) => {
    const daemon = await start();
    await untilOwned();
    const binding = 'everything-for-the-daemon';
    const user = `--user=system:serviceaccount:${NAMESPACE}:terraform-daemon`;
    await kubectl(cluster.kubeconfig, ['create', 'clusterrolebinding', binding, '--clusterrole=cluster-admin', user]);
    t.after(() => kubectl(cluster.kubeconfig, ['delete', 'clusterrolebinding', binding]));
    const reasons = () => daemon.lines.filter(({ message }) => message === 'webhook configuration created').length;
    const before = reasons();
    await kubectl(cluster.kubeconfig, ['delete', 'clusterrole', ROLE]);
    await eventually(() => assert.ok(reasons() > before), { withinMs: COLLECTED_MS });
    await daemon.stop();
    await eventually(async () => assert.deepEqual(await objects(), [undefined, undefined, undefined]), {
      withinMs: COLLECTED_MS,
    });
  });

  it('the daemon keeps owner references of other writers, and adds its own with its next write', async () => {
    await start();
    await untilOwned();
    const other = await rbac.readClusterRole({ name: 'view' });
    const theirs = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      name: 'view',
      uid: other.metadata?.uid ?? '',
    };
    const expected = [theirs.uid, await roleUid()].toSorted();
    const uids = (object: KubernetesObject | undefined) =>
      object?.metadata?.ownerReferences?.map(({ uid }) => uid).toSorted();
    const replaceOwners = { op: 'replace', path: '/metadata/ownerReferences', value: [theirs] };
    const dropBundle = { op: 'remove', path: '/webhooks/0/clientConfig/caBundle' };
    const body = [replaceOwners, dropBundle];
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body }, JSON_PATCH);
    await eventually(async () => assert.deepEqual(uids(await cluster.registration()), expected));
    const asked = { op: 'add', path: '/metadata/annotations/terraform.job.kb.io~1rotate', value: 'serving' };
    await cluster.core.patchNamespacedSecret(
      { namespace: NAMESPACE, name: SECRET, body: [replaceOwners, asked] },
      JSON_PATCH,
    );
    await eventually(async () => assert.deepEqual(uids(await cluster.secret()), expected));
  });

  it('a registration with webhook entries of others has no owner reference, and stays after the install is deleted', async () => {
    const entry = {
      name: 'other.example.com',
      clientConfig: { url: 'https://other.example.com' },
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
    };
    const daemon = await start();
    await untilOwned();
    const body = [
      { op: 'add', path: '/webhooks/-', value: entry },
      { op: 'remove', path: '/webhooks/0/clientConfig/caBundle' },
    ];
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body }, JSON_PATCH);
    const ownersLeft = async () => (await cluster.registration())?.metadata?.ownerReferences;
    await eventually(async () => assert.equal(await ownersLeft(), undefined));
    await daemon.stop();
    const next = await start();
    await next.line('reconciled');
    assert.equal(await ownersLeft(), undefined);
    await kubectl(cluster.kubeconfig, ['delete', '-f', INSTALL]);
    await eventually(async () => assert.equal(await cluster.secret(), undefined), { withinMs: COLLECTED_MS });
    const left = (await cluster.registration())?.webhooks?.map(({ name }) => name);
    assert.ok(left?.includes('other.example.com'));
  });

  it('without its ClusterRole or the right to read it, the daemon writes objects without owner reference and logs this once', async () => {
    const daemon = await start({ flags: ['--owner-cluster-role=another'] });
    const said = await daemon.line('cannot read the owner: an uninstall may not delete the objects of the daemon');
    assert.deepEqual([said.level, said.clusterRole], ['warn', 'another']);
    await eventually(async () => assert.ok((await lease()) !== undefined));
    await kubectl(cluster.kubeconfig, ['-n', NAMESPACE, 'annotate', 'secret', SECRET, 'touched=true']);
    await eventually(async () => assert.ok(daemon.lines.filter(({ message }) => message === 'reconciled').length > 1));
    assert.deepEqual(await owners(), [undefined, undefined, undefined]);
    const told = daemon.lines.filter(({ message, level }) => level === 'warn' && message === said.message);
    assert.equal(told.length, 1);
  });
});

describe('the owner reference with the admission plugin OwnerReferencesPermissionEnforcement', () => {
  it('if the API server refuses to change the owner reference, the daemon still repairs the registration', async (t) => {
    const cluster = await startCluster({
      apiServerArgs: ['--enable-admission-plugins=OwnerReferencesPermissionEnforcement'],
    });
    t.after(() => cluster.stop());
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
    t.after(() => daemon.stop());
    await daemon.line('ready');
    const live = async () => {
      const { metadata, webhooks = [] } = (await cluster.registration()) ?? {};
      const ours = webhooks.find(({ name }) => name === 'modify.terraform.job.kb.io');
      return [metadata?.ownerReferences?.length, (ours?.clientConfig.caBundle ?? '') !== ''];
    };
    const damage = (...body: readonly object[]) =>
      cluster.admission.patchMutatingWebhookConfiguration(
        { name: REGISTRATION, body: [...body, { op: 'remove', path: '/webhooks/0/clientConfig/caBundle' }] },
        JSON_PATCH,
      );
    assert.deepEqual(await live(), [1, true]);
    assert.equal((await cluster.secret())?.metadata?.ownerReferences?.length, 1);
    const other = { ...(await cluster.registration())?.webhooks?.[0], name: 'other.example.com' };
    await damage({ op: 'add', path: '/webhooks/-', value: other });
    await eventually(async () => assert.deepEqual(await live(), [1, true]));
    const refused = await daemon.line('ownerReference not set');
    assert.deepEqual([refused.level, refused.code], ['warn', 'KUBE_REJECTED']);
    assert.match(String(refused.error), /cannot set an ownerRef on a resource you can't delete/);
    await damage({ op: 'remove', path: '/metadata/ownerReferences' }, { op: 'remove', path: '/webhooks/1' });
    await eventually(async () => assert.deepEqual(await live(), [undefined, true]));
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
