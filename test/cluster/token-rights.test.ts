import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { kubernetesVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { applyTerraformCrds } from '../../tools/control-plane/terraform-controller.ts';
import { type Cluster, NAMESPACE, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { type ApiReply, type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { kubeconfigWith, tokenOf } from '../support/cluster/service-account-token.ts';
import {
  ALLOWED,
  type Attempt,
  createTargetJobs,
  DAEMON,
  OTHER,
  REFUSED,
  TEAM,
} from '../support/cluster/token-attempts.ts';
import { type Right, rightsTable } from '../support/cluster/token-table.ts';
import { projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';

const TABLE = projectFile('docs/reference/token-rights.md');
const NOBODY = 'nobody';
const minor = Number(minorOf(await kubernetesVersion()).split('.')[1]);

describe('the rights of a stolen token of the ServiceAccount of the daemon', () => {
  let cluster: Cluster;
  let folder: string;
  let kubeconfig: string;
  let thief: RawApi;
  let admin: RawApi;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-token-'));
    cluster = await startCluster();
    admin = await rawApi(cluster.kubeconfig);
    kubeconfig = await kubeconfigWith(await tokenOf(cluster, DAEMON), cluster, folder);
    thief = await rawApi(kubeconfig);
    await furnish();
  });
  after(async () => {
    thief?.close();
    admin?.close();
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  async function create(path: string, body: object): Promise<void> {
    const reply = await admin.call('POST', path, body);
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
  }

  /**
   * Creates the objects that the attempts target. Without them, a refused call could not be distinguished from a 404.
   */
  async function furnish(): Promise<void> {
    await cluster.createNamespace(TEAM);
    await applyTerraformCrds({ version: 'terraform-controller-v0.8.0', kubeconfig: cluster.kubeconfig });
    for (const name of [OTHER, NOBODY]) {
      await create(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, { metadata: { name } });
    }
    for (const [namespace, name] of [
      [NAMESPACE, OTHER],
      [TEAM, SECRET],
    ]) {
      await create(`/api/v1/namespaces/${namespace}/secrets`, { metadata: { name } });
    }
    await create('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', { metadata: { name: OTHER } });
    await create(`/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases`, { metadata: { name: OTHER } });
    await createTargetJobs(admin);
  }

  const attempt = async ({ call }: Attempt): Promise<ApiReply> => thief.call(...call);
  const told = ({ what }: Attempt, { status, body }: ApiReply) => `${what}: ${status} ${JSON.stringify(body)}`;

  async function rightsIn(namespace: string): Promise<readonly Right[]> {
    const list = async (user: string) => {
      const text = await kubectl(user, ['auth', 'can-i', '--list', '--no-headers', '-n', namespace]);
      return text
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().replace(/ +/g, ' '));
    };
    const everybodys = new Set(await list(await kubeconfigWith(await tokenOf(cluster, NOBODY), cluster, folder)));
    return (await list(kubeconfig))
      .filter((line) => !everybodys.has(line))
      .map((line) => {
        const [, resource = '', names = '', verbs = ''] = /^(\S+) \[\] \[(.*?)\] \[(.*)\]$/.exec(line) ?? [];
        assert.notEqual(resource, '', line);
        return { namespace, resource, names, verbs };
      });
  }

  for (const one of ALLOWED) {
    const { since = 0 } = one;
    it(`a stolen token of the daemon can ${one.what}${since > minor ? `, but not before Kubernetes 1.${since}` : ''}`, async () => {
      const reply = await attempt(one);
      assert.ok(since > minor ? reply.status === 422 : reply.status < 300, told(one, reply));
    });
  }

  for (const [kind, attempts] of Object.entries(REFUSED)) {
    for (const one of attempts) {
      it(`a stolen token of the daemon cannot ${one.what} (kind in docs/reference/token-rights.md: ${kind})`, async () => {
        // A ValidatingAdmissionPolicy takes effect shortly after its creation.
        await eventually(async () => {
          const reply = await attempt(one);
          assert.equal(reply.status, one.note === undefined ? 403 : 422, told(one, reply));
        });
      });
    }
  }

  it('docs/reference/token-rights.md equals the tested rights (update it with WRITE_DOCS=1)', async () => {
    const table = rightsTable([...(await rightsIn(NAMESPACE)), ...(await rightsIn(TEAM))]);
    if (process.env.WRITE_DOCS) await writeFile(TABLE, table);
    assert.equal(await readFile(TABLE, 'utf8'), table);
  });

  it('a stolen token cannot impersonate another user', async () => {
    for (const other of ['system:admin', `system:serviceaccount:${NAMESPACE}:${OTHER}`]) {
      await assert.rejects(kubectl(kubeconfig, ['get', 'pods', `--as=${other}`]), /Forbidden/);
    }
  });
});
