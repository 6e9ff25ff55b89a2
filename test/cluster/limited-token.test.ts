import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { kubernetesVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { aJob, type Json } from '../support/builders/a-job.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, NAMESPACE, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { kubeconfigWith, tokenOf } from '../support/cluster/service-account-token.ts';
import { grantBackstop } from '../support/cluster/smaller-rights.ts';
import {
  ALLOWED,
  createTargetJobs,
  DAEMON,
  OTHER,
  RUNNING,
  STOPPED,
  TEAM,
  WAITING,
} from '../support/cluster/token-attempts.ts';
import { eventually } from '../support/eventually.ts';

const JOBS = `/apis/batch/v1/namespaces/${TEAM}/jobs`;
const MARK = 'terraform.job.kb.io/capped';
const minor = Number(minorOf(await kubernetesVersion()).split('.')[1]);
const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: '11111111-2222-4333-8444-555555555555' };

/** The fields of the Job `RUNNING` that the manager `applier` owns. */
const APPLIED = {
  'f:metadata': { 'f:annotations': { 'f:applied': {} } },
  'f:spec': { 'f:backoffLimit': {}, 'f:parallelism': {} },
};
/** A patch of a Job after which the only entry of `managedFields` has these fields. The entry is of the applier by default. */
const owned = (fieldsV1: Json, entry: Json = {}): Json => ({
  metadata: {
    managedFields: [
      { manager: 'applier', operation: 'Apply', apiVersion: 'batch/v1', fieldsType: 'FieldsV1', fieldsV1, ...entry },
    ],
  },
});

/** Patches of a Job that change something else than the backstop changes, by what they change. */
const OTHERS: Readonly<Record<string, Json>> = {
  'a higher backoffLimit': { spec: { backoffLimit: 7 } },
  'no backoffLimit, for which the API server sets the default': { spec: { backoffLimit: null } },
  suspend: { spec: { suspend: true } },
  parallelism: { spec: { parallelism: 2 } },
  'parallelism 0 and a lower backoffLimit': { spec: { parallelism: 0, backoffLimit: 1 } },
  activeDeadlineSeconds: { spec: { activeDeadlineSeconds: 9 } },
  ttlSecondsAfterFinished: { spec: { ttlSecondsAfterFinished: 0 } },
  'a label': { metadata: { labels: { a: 'b' } } },
  'a changed label': { metadata: { labels: { kept: 'other' } } },
  'a removed label': { metadata: { labels: { kept: null } } },
  'all labels removed': { metadata: { labels: null } },
  'a finalizer': { metadata: { finalizers: ['example.com/thief'] } },
  'a removed finalizer': { metadata: { finalizers: null } },
  'an owner': { metadata: { ownerReferences: [owner] } },
  'another annotation': { metadata: { annotations: { a: 'b' } } },
  'the annotation keep-retries': { metadata: { annotations: { 'terraform.job.kb.io/keep-retries': 'true' } } },
  'a changed annotation': { metadata: { annotations: { kept: 'other' } } },
  'a removed annotation': { metadata: { annotations: { kept: null } } },
  'all annotations removed': { metadata: { annotations: null } },
  'a lower backoffLimit and a label': { metadata: { labels: { a: 'b' } }, spec: { backoffLimit: 0 } },
  'a mark of 256 characters': { metadata: { annotations: { [MARK]: 'x'.repeat(256) } } },
  'managedFields in which another manager owns a field of the spec': owned({ 'f:spec': { 'f:suspend': {} } }),
  'managedFields in which another manager owns a finalizer': owned({
    'f:metadata': { 'f:finalizers': { 'v:"example.com/kept"': {} } },
  }),
  'managedFields in which another manager owns an annotation': owned({
    'f:metadata': { 'f:annotations': { 'f:kept': {} } },
  }),
  'managedFields in which another manager owns all annotations': owned({ 'f:metadata': { 'f:annotations': {} } }),
  'managedFields in which another manager owns the whole spec': owned({ 'f:spec': {} }),
  'managedFields with a new manager': owned({ 'f:spec': { 'f:backoffLimit': {} } }, { manager: 'other' }),
  'managedFields with another operation of a manager': owned(APPLIED, { operation: 'Update' }),
  'managedFields with an apply by the daemon': owned(APPLIED, { manager: 'terraform-daemon' }),
  'managedFields without entries': { metadata: { managedFields: [{}] } },
};

describe('a stolen token of the daemon with the component limit-patches', () => {
  let cluster: Cluster;
  let folder: string;
  let thief: RawApi;
  let admin: RawApi;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-token-'));
    cluster = await startCluster({ components: ['limit-patches'] });
    admin = await rawApi(cluster.kubeconfig);
    thief = await rawApi(await kubeconfigWith(await tokenOf(cluster, DAEMON), cluster, folder));
    await cluster.createNamespace(TEAM);
    await createTargetJobs(admin);
    const metadata = { labels: { kept: 'yes' }, annotations: { kept: 'yes' }, finalizers: ['example.com/kept'] };
    await patch(admin, RUNNING, { metadata, spec: { backoffLimit: 5 } });
    await apply(RUNNING, { backoffLimit: 5, parallelism: 1 });
    await admin.call('POST', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, { metadata: { name: OTHER } });
  });
  after(async () => {
    thief?.close();
    admin?.close();
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  const patch = (api: RawApi, name: string, body: Json) =>
    api.call('PATCH', `${JOBS}/${name}${api === thief ? '?fieldManager=terraform-daemon' : ''}`, body);
  /** Applies a Job as a GitOps controller does, whose next apply removes each field that only this controller owned. */
  const apply = async (name: string, spec: Json, annotations: Json = { applied: 'yes' }) => {
    const metadata = { name, annotations };
    const path = `${JOBS}/${name}?fieldManager=applier&force=true`;
    const reply = await admin.call('APPLY', path, { apiVersion: 'batch/v1', kind: 'Job', metadata, spec });
    assert.equal(reply.status < 300, true, JSON.stringify(reply.body));
  };
  /** A ValidatingAdmissionPolicy takes effect shortly after its creation, so the first calls can succeed. */
  const untilDenied = async (call: () => ReturnType<RawApi['call']>, { repeats = true } = {}) => {
    const check = async () => {
      const { status, body } = await call();
      assert.equal(status, 422, JSON.stringify(body));
      assert.match(body.message, /ValidatingAdmissionPolicy 'terraform-daemon-job-patch'.*denied request/);
    };
    await (repeats ? eventually(check) : check());
  };

  it('the policy is in force: it denies a dry run that suspends a Job', async () => {
    await untilDenied(() => thief.call('PATCH', `${JOBS}/${RUNNING}?dryRun=All`, { spec: { suspend: true } }));
  });

  for (const [what, body] of Object.entries(OTHERS)) {
    it(`with limit-patches, a stolen token cannot patch a Job with ${what}`, async () => {
      await untilDenied(() => patch(thief, RUNNING, body), { repeats: false });
    });
  }

  for (const { what, call, refusedWith, since = 0 } of ALLOWED) {
    if (!refusedWith?.includes('limit-patches')) continue;
    it(`with limit-patches, a stolen token cannot ${what}`, {
      skip: since > minor && `Kubernetes 1.${minor} refuses this patch of any user`,
    }, async () => {
      await untilDenied(() => thief.call(...call), { repeats: false });
    });
  }

  it('with limit-patches, a stolen token cannot change a Job by server-side apply', async () => {
    const body = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: RUNNING }, spec: { suspend: true } };
    await untilDenied(() => thief.call('APPLY', `${JOBS}/${RUNNING}?fieldManager=a&force=true`, body), {
      repeats: false,
    });
  });

  it('with limit-patches, the daemon can lower backoffLimit, add the mark once, and neither change nor remove the mark', async () => {
    const before = (await admin.call('GET', `${JOBS}/${RUNNING}`)).body;
    for (const body of [
      {},
      { spec: { backoffLimit: 3 } },
      { spec: { backoffLimit: 0 }, metadata: { annotations: { [MARK]: 'a' } } },
    ]) {
      const reply = await patch(thief, RUNNING, body);
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
    }
    for (const mark of ['b', null]) {
      await untilDenied(() => patch(thief, RUNNING, { metadata: { annotations: { [MARK]: mark } } }), {
        repeats: false,
      });
    }
    const { body } = await admin.call('GET', `${JOBS}/${RUNNING}`);
    const annotations = { applied: 'yes', kept: 'yes', [MARK]: 'a' };
    assert.deepEqual([body.spec.backoffLimit, body.metadata.annotations], [0, annotations]);
    assert.deepEqual({ ...body.spec, backoffLimit: before.spec.backoffLimit }, before.spec);
  });

  it('with limit-patches, the first annotation of a Job can be the mark, and an empty mark can be replaced', async () => {
    await patch(admin, STOPPED, { metadata: { annotations: { [MARK]: '' } } });
    const replaced = await patch(thief, STOPPED, { metadata: { annotations: { [MARK]: 'a' } } });
    assert.equal(replaced.status, 200, JSON.stringify(replaced.body));
    const reply = await patch(thief, WAITING, { metadata: { annotations: { [MARK]: 'a' } } });
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
  });

  const annotations = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [i.toString(36).padStart(3, 'a'), '']));
  const editAs = (manager: string, name: string, body: Json) =>
    admin.call('PATCH', `${JOBS}/${name}?fieldManager=${manager}`, body);
  const manyManagers = Array.from({ length: 12 }, (_, i) => `manager-${i}`);
  /** Jobs whose cap is a special case for the policy: their annotations, and what other writers did to them. */
  const SPECIAL: Readonly<Record<string, readonly [Json, ((name: string) => Promise<unknown>)?]>> = {
    'with 60,000 annotations': [annotations(60_000)],
    'with 1,000 annotations, one of them an empty mark': [{ ...annotations(999), [MARK]: '' }],
    'whose applier owns backoffLimit and an empty mark': [
      {},
      (name) => apply(name, { backoffLimit: 5 }, { [MARK]: '' }),
    ],
    'with a manager that owns only backoffLimit': [{}, (name) => editAs('a', name, { spec: { backoffLimit: 5 } })],
    'with more managers than the API server keeps': [
      {},
      async (name) => {
        for (const manager of manyManagers) await editAs(manager, name, { metadata: { labels: { [manager]: '' } } });
      },
    ],
    'without managedFields': [{}, (name) => editAs('a', name, { metadata: { managedFields: [{}] } })],
  };
  for (const [index, [what, [annotations, edit]]] of Object.entries(SPECIAL).entries()) {
    it(`with limit-patches, the daemon can cap a Job ${what}`, async () => {
      const name = `special-${index}`;
      const created = await admin.call('POST', JOBS, { metadata: { name, annotations }, spec: aJob().spec });
      assert.equal(created.status, 201, JSON.stringify(created.body));
      await edit?.(name);
      const mark = Object.keys(annotations).length > 1_000 ? {} : { annotations: { [MARK]: 'a' } };
      const reply = await patch(thief, name, { metadata: mark, spec: { backoffLimit: 0 } });
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
    });
  }

  it('limit-patches leaves the patches of all other users as they are', async () => {
    const account = await kubeconfigWith(await tokenOf(cluster, OTHER), cluster, folder);
    const binding = {
      metadata: { name: OTHER },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name: OTHER, namespace: NAMESPACE }],
    };
    await admin.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', binding);
    const other = await rawApi(account);
    for (const api of [admin, other]) {
      await eventually(async () => {
        const reply = await patch(api, RUNNING, { spec: { suspend: true, backoffLimit: 9 } });
        assert.equal(reply.status, 200, JSON.stringify(reply.body));
      });
    }
    other.close();
  });

  it('with limit-patches, the backstop caps a Job and adds the mark', async (t) => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, servicePort: await freePort() });
    t.after(() => daemon.stop('SIGKILL'));
    const job = await recordedJob('create-terraform-apply', TEAM);
    await cluster.createJob({ ...job, metadata: { ...job.metadata, name: 'stored' } });
    await eventually(async () => {
      const { metadata, spec } = await cluster.batch.readNamespacedJob({ namespace: TEAM, name: 'stored' });
      assert.equal(spec?.backoffLimit, 0);
      assert.equal(metadata?.annotations?.[MARK], '{"rule":"terraform","backoffLimit":2147483647}');
    });
    assert.deepEqual(
      daemon.lines.filter(({ level }) => level === 'error'),
      [],
    );
  });
});

describe('a stolen token of a daemon whose backstop is limited to other namespaces', () => {
  let cluster: Cluster;
  let folder: string;
  let thief: RawApi;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-token-'));
    cluster = await startCluster({ backstopRbac: false });
    const admin = await rawApi(cluster.kubeconfig);
    thief = await rawApi(await kubeconfigWith(await tokenOf(cluster, DAEMON), cluster, folder));
    for (const name of [TEAM, 'listed']) await cluster.createNamespace(name);
    await createTargetJobs(admin);
    await grantBackstop(cluster, ['listed']);
    admin.close();
  });
  after(async () => {
    thief?.close();
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  it('with a Role in a namespace, the token can list the Jobs and Pods of this namespace', async () => {
    for (const path of ['/apis/batch/v1/namespaces/listed/jobs', '/api/v1/namespaces/listed/pods'])
      await eventually(async () => assert.equal((await thief.call('GET', path)).status, 200, path));
  });

  for (const { what, call, refusedWith } of ALLOWED) {
    if (!refusedWith?.includes('namespaces')) continue;
    it(`with a Role in another namespace only, a stolen token cannot ${what}`, async () => {
      const { status, body } = await thief.call(...call);
      assert.equal(status, 403, JSON.stringify(body));
    });
  }
});
