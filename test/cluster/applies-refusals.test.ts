import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CustomObjectsApi, RbacAuthorizationV1Api, type V1PolicyRule } from '@kubernetes/client-node';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { applyTerraformCrds } from '../../tools/control-plane/terraform-controller.ts';
import type { Json } from '../support/builders/a-job.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { createConfiguration } from '../support/cluster/terraform-controller.ts';
import { eventually } from '../support/eventually.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const TEAM = 'team-a';
const OTHER = 'jobs';
const JOBS: V1PolicyRule = { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'delete'] };
const PODS: V1PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['list'] };
const configurations = (...verbs: string[]): V1PolicyRule => ({
  apiGroups: ['terraform.core.oam.dev'],
  resources: ['configurations'],
  verbs,
});
/** The rights of each user in the namespace TEAM. */
const USERS: Readonly<Record<string, readonly V1PolicyRule[]>> = {
  owner: [JOBS, PODS, configurations('get', 'list', 'patch')],
  lister: [{ ...JOBS, verbs: ['list'] }],
  reader: [{ ...JOBS, verbs: ['list'] }, PODS, configurations('get', 'list')],
  deleter: [JOBS, configurations('get')],
  stranger: [],
};

describe('terraform-daemon applies without a terraform-controller', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ users: Object.keys(USERS).map((name) => ({ name })) });
    await assertUnknown();
    await applyTerraformCrds({ version: 'terraform-controller-v0.8.0', kubeconfig: cluster.kubeconfig });
    for (const name of [TEAM, OTHER]) await cluster.createNamespace(name);
    for (const [user, rules] of Object.entries(USERS)) await grant(user, rules);
    await createConfiguration(cluster, TEAM, 'oss-bucket');
  });
  after(() => cluster?.stop());
  beforeEach(async () => {
    for (const namespace of [TEAM, OTHER]) {
      await cluster.batch.deleteCollectionNamespacedJob({ namespace, propagationPolicy: 'Background' });
    }
  });

  async function grant(user: string, rules: readonly V1PolicyRule[]): Promise<void> {
    const rbac = apiClient(cluster.kubeconfig, RbacAuthorizationV1Api);
    const apiGroup = 'rbac.authorization.k8s.io';
    const metadata = { name: user };
    await rbac.createNamespacedRole({ namespace: TEAM, body: { metadata, rules: [...rules] } });
    const roleRef = { apiGroup, kind: 'Role', name: user };
    const subjects = [{ apiGroup, kind: 'User', name: user }];
    await rbac.createNamespacedRoleBinding({ namespace: TEAM, body: { metadata, roleRef, subjects } });
  }
  const as = (user: string, ...args: readonly string[]) =>
    spawnCommand(['applies', ...args, `--kubeconfig=${cluster.kubeconfigFor(user)}`]);
  const admin = (...args: readonly string[]) =>
    spawnCommand(['applies', ...args, `--kubeconfig=${cluster.kubeconfig}`]);
  const uidOfConfiguration = async (): Promise<string> => {
    const kind = { group: 'terraform.core.oam.dev', version: 'v1beta2', plural: 'configurations' };
    const name = { namespace: TEAM, name: 'oss-bucket' };
    return (await apiClient(cluster.kubeconfig, CustomObjectsApi).getNamespacedCustomObject({ ...kind, ...name }))
      .metadata.uid;
  };

  /** Stores the Job of the Configuration as a failed one. */
  async function failedJob(namespace = TEAM, configuration = 'oss-bucket'): Promise<string> {
    const job: Json = await recordedJob('create-terraform-apply', namespace);
    const prefix = namespace === TEAM ? configuration : await uidOfConfiguration();
    const name = `${prefix}-apply`;
    const body = JSON.parse(JSON.stringify(job).replaceAll('"oss-bucket"', `"${configuration}"`));
    body.metadata = { name, namespace };
    for (const { configMap } of body.spec.template.spec.volumes) if (configMap) configMap.name = `tf-${prefix}`;
    await cluster.batch.createNamespacedJob({ namespace, body });
    const stored = await cluster.batch.readNamespacedJob({ namespace, name });
    const at = new Date();
    const failed = { status: 'True', reason: 'BackoffLimitExceeded', lastTransitionTime: at };
    const conditions = ['FailureTarget', 'Failed'].map((type) => ({ ...failed, type }));
    await cluster.batch.replaceNamespacedJobStatus({
      namespace,
      name,
      body: { ...stored, status: { startTime: at, conditions } },
    });
    return name;
  }
  const jobsIn = async (namespace: string) =>
    (await cluster.batch.listNamespacedJob({ namespace })).items.map(({ metadata }) => metadata?.name);

  it('without the rights to Pods and Configurations, applies lists the failed Jobs and says what is unknown', async () => {
    const name = await failedJob();
    const { exitCode, stdout } = await as('lister', '-n', TEAM);
    assert.equal(exitCode, 1, stdout);
    assert.match(stdout, new RegExp(`^${TEAM} +oss-bucket +${name} +apply +failed, not capped +unknown +`, 'm'));
    assert.match(stdout, /^note: the current user may not list Pods, so the exit codes are unknown$/m);
    assert.match(stdout, /^note: the current user may not list Configurations: /m);
  });

  it('-A without the right to list Jobs of all namespaces is an error that names -n', async () => {
    const { exitCode, stdout, stderr } = await as('owner', '-A');
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(
      stderr,
      /^terraform-daemon: KUBE_FORBIDDEN: cannot read the Jobs of all namespaces: .*\(to list one namespace: -n <namespace>\)\n$/,
    );
  });

  it('a Job in the namespace of --controller-namespace is found for -n, or reported as not visible', async () => {
    const name = await failedJob(OTHER);
    const found = await admin('-n', TEAM);
    assert.equal(found.exitCode, 1, found.stdout);
    assert.match(found.stdout, new RegExp(`^${TEAM} +oss-bucket +${OTHER}/${name} +apply +failed`, 'm'));
    const all = await admin('-A');
    assert.match(all.stdout, new RegExp(`^${TEAM} +oss-bucket +${OTHER}/${name} +apply +failed`, 'm'));
    const hidden = await as('owner', '-n', TEAM);
    assert.equal(hidden.exitCode, 3, hidden.stdout);
    assert.match(
      hidden.stdout.replaceAll(/\s+/g, ' '),
      /no Job was found for team-a\/oss-bucket, and the current user may not list the Jobs of all namespaces/,
    );
  });

  it('without -n, applies lists the namespace of the kubeconfig', async () => {
    const { exitCode, stdout } = await admin();
    assert.equal(exitCode, 0, stdout);
    await failedJob();
    const elsewhere = (await admin()).stdout;
    assert.equal(elsewhere, 'verdict: none: no apply and no destroy has failed in namespace default (all: -A)\n');
    assert.equal(JSON.parse((await admin('-o', 'json')).stdout).namespace, 'default');
  });

  it('a namespace that does not exist is an error that names -A', async () => {
    const { exitCode, stdout, stderr } = await admin('-n', 'tema-a');
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.equal(
      stderr,
      'terraform-daemon: KUBE_REJECTED: Namespace tema-a does not exist (to list all namespaces: -A)\n',
    );
  });

  it('retry without --yes and without a terminal refuses, and names --yes', async () => {
    await failedJob();
    const { exitCode, stdout } = await as('owner', 'retry', `${TEAM}/oss-bucket`);
    assert.equal(exitCode, 1);
    assert.match(stdout, /\nJob team-a\/oss-bucket-apply: failed\. .*\n/);
    assert.match(stdout, /^Cluster https:\/\/\S+\nConfiguration team-a\/oss-bucket/);
    assert.match(
      stdout,
      /\nA retry deletes the Job\. Then terraform-controller creates it again, and it runs terraform apply once more\.\n/,
    );
    assert.match(stdout, /\nnot done: there is no terminal to ask on\. To skip the confirmation: --yes\n$/);
    assert.deepEqual(await jobsIn(TEAM), ['oss-bucket-apply']);
  });

  it('retry asks on a terminal, and does nothing unless the answer is yes', async () => {
    await failedJob();
    const command = [
      process.execPath,
      MAIN,
      'applies',
      'retry',
      `${TEAM}/oss-bucket`,
      '--kubeconfig',
      cluster.kubeconfig,
    ];
    // `script` runs the command on a terminal.
    const child = spawn('script', ['-qec', command.join(' '), '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.write('n\r');
    const output = await text(child.stdout);
    assert.match(output, /Run terraform apply again\? \[y\/N\] /);
    assert.match(output, /not done: aborted/);
    assert.deepEqual(await jobsIn(TEAM), ['oss-bucket-apply']);
  });

  for (const [user, missing] of Object.entries({
    reader: /may not delete jobs team-a/,
    deleter: /may not patch configurations team-a/,
  })) {
    it(`retry as the user ${user} names the missing right and deletes nothing`, async () => {
      await failedJob();
      const { exitCode, stdout } = await as(user, 'retry', `${TEAM}/oss-bucket`, '--yes');
      assert.equal(exitCode, 1);
      assert.match(stdout, missing);
      assert.match(stdout, /\n {2}kubectl auth can-i (delete|patch) \S+ -n team-a --kubeconfig \S+\n/);
      assert.deepEqual(await jobsIn(TEAM), ['oss-bucket-apply']);
    });
  }

  it('with the rights of the daemon, applies lists all namespaces, and retry names the missing right to delete', async () => {
    const name = await failedJob(OTHER);
    const inPod = (...args: readonly string[]) =>
      spawnCommand(['applies', ...args, `--kubeconfig=${cluster.daemonKubeconfig}`]);
    const listed = await inPod('-A');
    assert.equal(listed.exitCode, 1, listed.stderr);
    assert.match(listed.stdout, new RegExp(`^${TEAM} +oss-bucket +${OTHER}/${name} +apply +failed`, 'm'));
    assert.doesNotMatch(listed.stdout, /^note: /m);
    const retried = await inPod('retry', `${TEAM}/oss-bucket`, '--yes');
    assert.equal(retried.exitCode, 1);
    assert.match(retried.stdout, /^not done: the current user may not delete jobs jobs\//);
    assert.deepEqual(await jobsIn(OTHER), [name]);
  });

  it('retry as a user without rights is an error with the right that is missing', async () => {
    const { exitCode, stderr } = await as('stranger', 'retry', `${TEAM}/oss-bucket`, '--yes');
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /KUBE_FORBIDDEN: cannot read Configuration team-a\/oss-bucket: .*kubectl auth can-i get configurations/,
    );
  });

  /** `before` calls it in a cluster without the kind Configuration. */
  async function assertUnknown(): Promise<void> {
    const { exitCode, stdout, stderr } = await admin('retry', `${TEAM}/example`, '--yes');
    assert.deepEqual([exitCode, stderr], [1, '']);
    assert.match(
      stdout,
      /^not done: Configuration team-a\/example does not exist\. A Job without a Configuration runs again if you delete/,
    );
  }

  it('retry of a Configuration that does not exist shows near names, or how a Job without one runs again', async () => {
    await assertUnknown();
    const { exitCode, stdout } = await admin('retry', `${TEAM}/oss-bukcet`, '--yes');
    assert.equal(exitCode, 1);
    assert.equal(stdout, 'not done: Configuration team-a/oss-bukcet does not exist. Did you mean team-a/oss-bucket?\n');
  });

  it('retry of a Job of --controller-namespace needs -n without the right to list all Jobs', async () => {
    await failedJob(OTHER);
    const { exitCode, stdout } = await as('owner', 'retry', `${TEAM}/oss-bucket`, '--yes');
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /^not done: .* If terraform-controller has --controller-namespace, set -n to that namespace\.\n$/,
    );
    const found = await admin('retry', `${TEAM}/oss-bucket`);
    assert.match(found.stdout, new RegExp(`\nJob ${OTHER}/\\S+-apply: failed\\.`));
  });

  it('retry with -n and a namespace without the Job names the Job beside the Configuration', async () => {
    await failedJob();
    const { exitCode, stdout } = await admin('retry', `${TEAM}/oss-bucket`, '--yes', '-n', OTHER);
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /^not done: .* has no apply Job in namespace jobs\. Its Job is team-a\/oss-bucket-apply: leave out -n\.\n$/,
    );
    assert.deepEqual(await jobsIn(TEAM), ['oss-bucket-apply']);
  });

  it('retry --wait of a Configuration that is deleted meanwhile does not report the destroy as the new apply', async () => {
    await createConfiguration(cluster, TEAM, 'doomed');
    await failedJob(TEAM, 'doomed');
    const doomed = ['-n', TEAM, 'configurations.terraform.core.oam.dev', 'doomed'];
    const finalizers = (list: string) => ['patch', ...doomed, '--type=merge', `-p={"metadata":{"finalizers":${list}}}`];
    await kubectl(cluster.kubeconfig, finalizers('["example.com/destroy"]'));
    const retried = admin('retry', `${TEAM}/doomed`, '--yes', '--wait');
    await eventually(async () => assert.deepEqual(await jobsIn(TEAM), []));
    await kubectl(cluster.kubeconfig, ['delete', ...doomed, '--wait=false']);
    const { exitCode, stdout } = await retried;
    await kubectl(cluster.kubeconfig, finalizers('null'));
    assert.equal(exitCode, 1, stdout);
    assert.match(
      stdout,
      /\nnot done: Configuration team-a\/doomed was deleted meanwhile, so terraform-controller runs terraform destroy instead\n$/,
    );
  });

  it('retry whose annotation is refused after the Job was deleted says what is left to do', async () => {
    await failedJob();
    await refuseAnnotations();
    const { exitCode, stdout } = await admin('retry', `${TEAM}/oss-bucket`, '--yes');
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /\ndeleted Job team-a\/oss-bucket-apply\nnot done: cannot annotate Configuration team-a\/oss-bucket: .*no annotations today/,
    );
    assert.match(
      stdout,
      /\nThe failed Job is deleted, and the Configuration is not annotated\. .*\n {2}kubectl -n team-a annotate --overwrite configurations\.terraform\.core\.oam\.dev oss-bucket terraform\.job\.kb\.io\/retried-at=\d{4}-\S+ --kubeconfig \S+\n$/,
    );
  });

  /** Makes an admission policy refuse each change of the Configuration. */
  async function refuseAnnotations(): Promise<void> {
    const api = 'admissionregistration.k8s.io/v1';
    const metadata = { name: 'no-annotations' };
    const rule = {
      apiGroups: ['terraform.core.oam.dev'],
      apiVersions: ['*'],
      operations: ['UPDATE'],
      resources: ['configurations'],
    };
    const policy = {
      apiVersion: api,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: 'false', message: 'no annotations today' }],
      },
    };
    const spec = { policyName: metadata.name, validationActions: ['Deny'] };
    const binding = { apiVersion: api, kind: 'ValidatingAdmissionPolicyBinding', metadata, spec };
    await kubectl(
      cluster.kubeconfig,
      ['create', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [policy, binding] }),
    );
    const touch = ['-n', TEAM, 'annotate', '--dry-run=server', '--overwrite', 'configuration', 'oss-bucket', 'a=b'];
    await eventually(() => assert.rejects(kubectl(cluster.kubeconfig, touch), /no annotations today/));
  }
});
