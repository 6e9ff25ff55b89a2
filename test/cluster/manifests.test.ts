import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import {
  type KubernetesObject,
  loadAllYaml,
  loadYaml,
  type V1Deployment,
  type V1NetworkPolicy,
} from '@kubernetes/client-node';
import packageJson from '../../package.json' with { type: 'json' };
import { optionsOf } from '../../tools/chart/helm.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import {
  INSTALL,
  inKustomization,
  installManifest,
  installObjects,
  type Kustomization,
  type KustomizationFiles,
  overlayFolder,
  renderKustomization,
  renderOverlay,
} from '../../tools/manifests/kustomize.ts';
import type { Json } from '../support/builders/a-job.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { rawApi } from '../support/cluster/raw-api.ts';
import { projectFile, readDocument } from '../support/docs.ts';

/** The base as the documents name it: in the repository, at the tag of the version. */
const REMOTE_BASE = `${packageJson.repository}//manifests/base?ref=v${packageJson.version}`;

describe('manifests/install.yaml', () => {
  it('manifests/install.yaml equals the rendered base', async () => {
    assert.equal(await readFile(INSTALL, 'utf8'), await installManifest(), 'run "npm run manifests"');
  });

  it('manifests/install.yaml has no Namespace, because kubectl delete must not delete KubeVela', async () => {
    const kinds = (await installObjects()).map(({ kind }) => kind);
    assert.ok(kinds.includes('Deployment'));
    assert.ok(!kinds.includes('Namespace'));
  });

  it('the NetworkPolicy admits any source to the webhook port and Pods of all namespaces to the metrics port', async () => {
    const policy = (await installObjects()).find(({ kind }) => kind === 'NetworkPolicy') as V1NetworkPolicy;
    assert.deepEqual(JSON.parse(JSON.stringify(policy.spec?.ingress)), [
      { ports: [{ port: 'https', protocol: 'TCP' }] },
      // Client-node renames the field `from` to `_from`.
      { ports: [{ port: 'metrics', protocol: 'TCP' }], _from: [{ namespaceSelector: {} }] },
    ]);
  });

  it('manifests/install.yaml has the owner ClusterRole terraform-daemon after all other roles, so that kubectl delete removes the owner ClusterRole after them', async () => {
    const roles = (await installObjects()).filter(({ kind = '' }) => /Role$/.test(kind)).map(nameOf);
    assert.equal(roles.at(-1), 'ClusterRole terraform-daemon');
    assert.equal(roles.length, 4);
  });
});

describe('the kustomization of docs/how-to/install.md', () => {
  it('the kustomization in docs/how-to/install.md renders the objects of manifests/install.yaml in the same order, in the namespace of the kustomization', async () => {
    const text = await readDocument('docs/how-to/install.md');
    const [, block = ''] = /```yaml\n(apiVersion: kustomize[^`]*)```/.exec(text) ?? [];
    const { resources, images, ...fields } = loadYaml<Kustomization>(block);
    assert.deepEqual(resources, [REMOTE_BASE]);
    assert.ok(images);
    const rendered = loadAllYaml(
      await renderKustomization({ ...fields, namespace: 'elsewhere', resources: ['base'] }),
    ) as readonly KubernetesObject[];
    const install = (await readFile(INSTALL, 'utf8')).replaceAll('namespace: vela-system', 'namespace: elsewhere');
    assert.deepEqual(rendered, loadAllYaml(install));
  });
});

describe('the kustomization with a policy in docs/how-to/install.md', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster?.stop());

  /**
   * Reads the example kustomization with a policy from docs/how-to/install.md. The base of this checkout replaces the
   * base in the repository.
   */
  async function example(): Promise<{ readonly fields: Kustomization; readonly beside: KustomizationFiles }> {
    const text = await readDocument('docs/how-to/install.md');
    const [, generator = ''] =
      /```yaml\n([^`]*configMapGenerator:\n {2}- name: terraform-daemon-policy[^`]*)```/.exec(text) ?? [];
    const [, block = ''] = /```yaml\n(resources: \[policy, [^`]*)```/.exec(text) ?? [];
    const fields = loadYaml<Kustomization>(block);
    assert.deepEqual(fields.resources, ['policy', REMOTE_BASE]);
    return {
      fields: { ...fields, namespace: 'vela-system', resources: ['policy', 'base'] },
      beside: { policy: { 'kustomization.yaml': generator, 'policy.yaml': POLICY } },
    };
  }

  it('the kustomization with a policy creates the ConfigMap before the Deployment', async () => {
    const { fields, beside } = await example();
    const out = await inKustomization(fields, beside, (folder) => kubectl(cluster.kubeconfig, ['apply', '-k', folder]));
    const applied = out
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' ')[0]?.replace(/\..*\//, '/'));
    const base = (await installObjects()).map(({ kind, metadata }) => `${kind?.toLowerCase()}/${metadata?.name}`);
    assert.deepEqual(applied, ['configmap/terraform-daemon-policy', ...base]);
    const get = [
      '-n',
      'vela-system',
      'get',
      'configmap',
      'terraform-daemon-policy',
      '-o',
      'jsonpath={.data.policy\\.yaml}',
    ];
    assert.equal(await kubectl(cluster.kubeconfig, get), POLICY);
  });

  it('the kustomization with a policy mounts the file at the path of --policy-file', async () => {
    const { fields, beside } = await example();
    const rendered = loadAllYaml(await renderKustomization(fields, beside)) as V1Deployment[];
    const pod = rendered.find(({ kind }) => kind === 'Deployment')?.spec?.template.spec;
    const mount = pod?.containers[0]?.volumeMounts?.find(({ name }) => name === 'policy');
    assert.equal(optionsOf(pod?.containers[0])['policy-file'], `${mount?.mountPath}/policy.yaml`);
    assert.equal(pod?.volumes?.find(({ name }) => name === 'policy')?.configMap?.name, 'terraform-daemon-policy');
  });
});

const POLICY = 'rules: [{ name: all, match: { namespaces: ["*"] }, set: { backoffLimit: 0 } }]\n';

/** For each overlay, the changes to the default objects that it must make. */
const overlays: Readonly<Record<string, (objects: readonly KubernetesObject[]) => readonly KubernetesObject[]>> = {
  default: (objects) => objects,
  'fail-closed': (objects) =>
    withPod(objects, (pod) => {
      pod.containers[0].env = [{ name: 'TERRAFORM_DAEMON_FAILURE_POLICY', value: 'Fail' }];
    }),
  'no-backstop': (objects) => objects.filter((object) => !/-(backstop|configurations)$/.test(nameOf(object))),
  'no-configurations': (objects) => objects.filter((object) => !nameOf(object).endsWith('-configurations')),
  critical: (objects) =>
    withPod(objects, (pod) => {
      pod.priorityClassName = 'system-cluster-critical';
    }),
};

describe('the overlays in manifests/overlays', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster?.stop());

  for (const [name, change] of Object.entries(overlays)) {
    it(`the overlay ${name} has exactly the documented differences from the base`, async () => {
      const [base, rendered] = [await objectsOf('default'), await objectsOf(name)];
      assert.deepEqual(rendered, change(base));
      if (name !== 'default') assert.notDeepEqual(rendered, base);
    });

    it(`an API server accepts the overlay ${name}`, async () => {
      const out = await kubectl(cluster.kubeconfig, ['apply', '--dry-run=server', '-k', overlayFolder(name)]);
      const rendered = loadAllYaml(await renderOverlay(name));
      assert.equal(out.trim().split('\n').length, rendered.length, out);
    });
  }

  it('manifests/quick-start has exactly the documented differences from the base, and an API server accepts it', async () => {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'vela-system' } };
    const rendered = loadAllYaml(
      await renderKustomization({ resources: ['quick-start'], sortOptions: { order: 'fifo' } }),
    );
    const expected = withPod(await objectsOf('default'), (pod) => {
      pod.containers[0].imagePullPolicy = 'Never';
    });
    assert.deepEqual(JSON.parse(JSON.stringify(rendered)), [namespace, ...expected]);
    const apply = ['apply', '--dry-run=server', '-k', projectFile('manifests/quick-start')];
    const out = await kubectl(cluster.kubeconfig, apply);
    assert.equal(out.trim().split('\n').length, rendered.length, out);
  });

  it('an API server drops the namespace that kustomize sets on cluster-scoped objects', async (t) => {
    const api = await rawApi(cluster.kubeconfig);
    t.after(() => api.close());
    const rendered = await kubectl('/dev/null', ['kustomize', overlayFolder('default')]);
    const policies = (loadAllYaml(rendered) as Json[]).filter(({ kind }) => /^ValidatingAdmissionPolicy/.test(kind));
    assert.deepEqual(
      policies.map(({ metadata }) => metadata.namespace),
      ['vela-system', 'vela-system'],
    );
    for (const policy of policies) {
      const plural = policy.kind.replace(/y?$/, policy.kind.endsWith('y') ? 'ies' : 's').toLowerCase();
      const path = `/apis/admissionregistration.k8s.io/v1/${plural}`;
      const metadata = { ...policy.metadata, name: 'another' };
      // Some clients, such as kustomize, set a namespace on cluster-scoped objects. The API server must drop it.
      const replies = [
        await api.call('POST', path, { ...policy, metadata }),
        await api.call('APPLY', `${path}/another?fieldManager=a&force=true`, { ...policy, metadata }),
        await api.call('PATCH', `${path}/another`, { metadata }),
        await api.call('DELETE', `${path}/another`),
      ];
      const seen = replies.map(({ status, body }) => [status, body.metadata.namespace]);
      assert.deepEqual(
        seen,
        [201, 200, 200, 200].map((status) => [status, undefined]),
      );
    }
  });

  it('the API server creates by default the PriorityClass system-cluster-critical, which the overlay "critical" uses', async () => {
    const out = await kubectl(cluster.kubeconfig, ['get', 'priorityclass', 'system-cluster-critical', '-o', 'name']);
    assert.match(out, /system-cluster-critical/);
  });
});

/** Returns the rendered objects of an overlay as plain JSON, without the classes of client-node. */
const objectsOf = async (overlay: string): Promise<readonly KubernetesObject[]> =>
  JSON.parse(JSON.stringify(loadAllYaml(await renderOverlay(overlay))));

const nameOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata?.name}`;

// biome-ignore lint/suspicious/noExplicitAny: rendered YAML has no type
type PodSpec = any;

function withPod(objects: readonly KubernetesObject[], change: (pod: PodSpec) => void): readonly KubernetesObject[] {
  const changed = structuredClone(objects);
  const deployment = changed.find(({ kind }) => kind === 'Deployment') as { spec?: PodSpec } | undefined;
  change(deployment?.spec.template.spec);
  return changed;
}
